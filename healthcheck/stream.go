package healthcheck

import (
	"context"
	"fmt"
	"io"
	"net"
)

// streamProbe finds a target good when it accepts a connection, makes the TLS
// handshake if that is wanted, and, once Send is sent, says what is expected.
type streamProbe struct {
	network network
	secure  bool
}

func (p streamProbe) probe(ctx context.Context, t Target) (finding, error) {
	conn, release, err := p.network.dial(ctx, "tcp", t)
	if err != nil {
		return finding{}, err
	}
	defer release()
	found := finding{text: "connected"}
	if p.secure {
		if conn, found, err = p.handshake(ctx, conn, t); err != nil {
			return found, err
		}
	}
	return p.talk(conn, t.Check, found)
}

func (p streamProbe) handshake(ctx context.Context, conn net.Conn, t Target) (net.Conn, finding, error) {
	secure, found, err := p.network.secure(ctx, conn, t)
	if err == nil {
		found.text = fmt.Sprintf("handshake done, certificate until %s", found.certEnds.UTC().Format("2006-01-02"))
	}
	return secure, found, err
}

func (p streamProbe) talk(conn io.ReadWriter, c Check, found finding) (finding, error) {
	if c.Send != "" {
		if _, err := io.WriteString(conn, c.Send); err != nil {
			return found, &failure{sending, err}
		}
	}
	if c.wantsAnswer() {
		if err := c.findIn(conn, "answer"); err != nil {
			return found, err
		}
		found.text = "answered as expected"
	}
	return found, nil
}
