package healthcheck

import (
	"context"
	"net"
)

// tcpProbe finds a target good when it accepts a connection.
type tcpProbe struct{ dialer net.Dialer }

func (p tcpProbe) probe(ctx context.Context, t Target) (string, error) {
	_, release, err := dial(ctx, p.dialer, t)
	if err != nil {
		return "", err
	}
	release()
	return "connected", nil
}
