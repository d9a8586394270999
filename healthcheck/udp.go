package healthcheck

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
)

// udpProbe finds a target good when it answers a datagram; with Body or
// Pattern, as expected. The first datagram that comes back decides.
type udpProbe struct{ network network }

func (p udpProbe) probe(ctx context.Context, t Target) (finding, error) {
	conn, release, err := p.network.dial(ctx, "udp", t)
	if err != nil {
		return finding{}, err
	}
	defer release()
	if _, err := io.WriteString(conn, t.Check.Send); err != nil {
		return finding{}, p.network.unsent(err)
	}
	answer, err := readDatagram(conn)
	if err != nil {
		return finding{}, &failure{hearing, err}
	}
	if t.Check.wantsAnswer() {
		err = t.Check.findIn(bytes.NewReader(answer), "answer")
	}
	return finding{text: fmt.Sprintf("answered with %d bytes", len(answer))}, err
}

func readDatagram(conn net.Conn) ([]byte, error) {
	if err := awaitDatagram(conn); err != nil {
		return nil, err
	}
	answer := make([]byte, maxBody)
	n, err := conn.Read(answer)
	return answer[:n], err
}

// unsent is why a datagram could not be sent.
func (n network) unsent(err error) error {
	if isOwnFault(err) {
		return &blindness{&failure{sending, err}}
	}
	return &failure{sending, err}
}
