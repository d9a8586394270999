package dnsserver

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
)

func TestDoQRefusals(t *testing.T) {
	s := startSecure(t, Options{})
	pkt, _ := query(t, "www.example.com A")
	pkt[0], pkt[1] = 0, 0
	withID := bytes.Clone(pkt)
	withID[1] = 7
	response := bytes.Clone(pkt)
	response[2] |= 0x80
	for name, octets := range map[string][]byte{
		"an id":               frame(withID),
		"two queries":         append(frame(pkt), frame(pkt)...),
		"the half of a query": frame(pkt)[:20],
		"nothing":             {},
		"a response":          frame(response),
	} {
		conn := s.dialQUIC(t)
		_, err := askQUIC(t, conn, octets)
		var closed *quic.ApplicationError
		if !errors.As(err, &closed) || closed.ErrorCode != doqProtocolError {
			t.Errorf("%s: %v", name, err)
		}
	}
	conn := s.dialQUIC(t)
	if _, err := askQUIC(t, conn, make([]byte, 5000)); err == nil {
		t.Error("a long query got an answer")
	}
	if _, err := conn.OpenUniStream(); err == nil {
		t.Error("a unidirectional stream was allowed")
	}
	overQUIC(t, conn, pkt) // and the connection is still good
}

// A silent stream holds one worker of its own connection only, and only for a
// while; streams beyond the limit wait at the client.
func TestDoQSilentStreams(t *testing.T) {
	opt := Options{}
	opt.DoQ.MaxStreams, opt.DoQ.BeginTimeout = 8, time.Second
	s := startSecure(t, opt)
	conn := s.dialQUIC(t)
	for range 8 {
		stream, err := conn.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		stream.Write([]byte{0})
	}
	if _, err := conn.OpenStream(); err == nil {
		t.Error("more streams than allowed")
	}
	pkt, _ := query(t, "www.example.com A")
	pkt[0], pkt[1] = 0, 0
	overQUIC(t, s.dialQUIC(t), pkt) // others do not notice
	overQUIC(t, conn, pkt)          // and in the end not even this one
}
