package admin

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// knock is a connection that a client has opened, and a listener that
// accepts just this one.
type knock struct {
	net.Conn
	from   string
	closed bool
}

func (k *knock) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(k.from), 1))
}

func (k *knock) Close() error { k.closed = true; return nil }

func (k *knock) Accept() (net.Conn, error) { return k, nil }

func (k *knock) Addr() net.Addr { return k.RemoteAddr() }

// TestReportersMakeRoom: places are counted by IPv4 address and IPv6 /64, and
// when there are none, the longest idle connection loses its own.
func TestReportersMakeRoom(t *testing.T) {
	for _, c := range []struct {
		name, from string // connections in their order; "+1": a request on the second one
		closed     []int
	}{
		{"room for all", "192.0.2.1 192.0.2.2 192.0.2.1 192.0.2.2", nil},
		{"all places", "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6", []int{0, 1}},
		{"not who was busy", "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 +0 192.0.2.5", []int{1}},
		{"a client's places", "192.0.2.1 192.0.2.2 192.0.2.2 192.0.2.2 +2 192.0.2.2", []int{1, 3}},
		{"an IPv4 address in two notations", "192.0.2.2 192.0.2.1 ::ffff:192.0.2.1 192.0.2.1", []int{1}},
		{"a /64", "192.0.2.1 2001:db8::1 2001:db8::2 2001:db8:0:0:ffff::3", []int{1}},
		{"two /64s", "2001:db8::1 2001:db8::2 2001:db8:0:1::1 2001:db8:0:1::2", nil},
		{"a place that was left", "192.0.2.1 192.0.2.2 192.0.2.2 -1 192.0.2.2 192.0.2.3", []int{1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := boundReporters(nil, 4, 2)
			var knocks []*knock
			var conns []net.Conn
			for _, word := range strings.Fields(c.from) {
				switch word[0] {
				case '+':
					noteRequest(conns[word[1]-'0'], http.StateActive)
				case '-':
					_ = conns[word[1]-'0'].Close()
				default:
					k := &knock{from: word}
					l.Listener = k
					conn, err := l.Accept()
					if err != nil {
						t.Fatal(err)
					}
					knocks, conns = append(knocks, k), append(conns, conn)
				}
			}
			var closed []int
			for i, k := range knocks {
				if k.closed {
					closed = append(closed, i)
				}
			}
			if !slices.Equal(closed, c.closed) {
				t.Errorf("closed %v, want %v", closed, c.closed)
			}
			for _, conn := range append(conns, conns...) {
				_ = conn.Close()
				noteRequest(conn, http.StateIdle)
			}
			if l.all.Len() != 0 || len(l.clients) != 0 {
				t.Errorf("%d places and %d clients are left", l.all.Len(), len(l.clients))
			}
		})
	}
}

func runPush(t *testing.T) string {
	t.Helper()
	s, _, _ := pushServer(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// TestPushBesideIdleConnections: connections without a token, more than there
// are places, do not keep a report out.
func TestPushBesideIdleConnections(t *testing.T) {
	at := runPush(t)
	for i := range maxReporters + 20 {
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if i%2 == 0 { // half a request, or none
			_, _ = io.WriteString(conn, "PUT /v1/report/"+endpointA+" HTTP/1.1\r\n")
		}
	}
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+at+"/v1/report/"+endpointA, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+tokenA)
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %s", resp.Status)
	}
}

// TestPushEndsRefusedConnections: who was refused has to connect anew, who
// was heard has not.
func TestPushEndsRefusedConnections(t *testing.T) {
	at := runPush(t)
	for _, c := range []struct {
		request string
		status  int
	}{
		{"GET /", 404},
		{"GET /v1/report/" + endpointA, 405},
		{"PUT /v1/report/" + endpointB, 401},
		{"PUT /v1/report/" + endpointA, 200},
	} {
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		in := bufio.NewReader(conn)
		ask := func() (*http.Response, error) {
			_, err := io.WriteString(conn, c.request+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+tokenA+"\r\n\r\n")
			if err != nil {
				return nil, err
			}
			resp, err := http.ReadResponse(in, nil)
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
			}
			return resp, err
		}
		resp, err := ask()
		if err != nil || resp.StatusCode != c.status || resp.Close != (c.status != 200) {
			t.Errorf("%s: %+v, %v", c.request, resp, err)
			continue
		}
		var late net.Error
		if resp, err = ask(); (err == nil) != (c.status == 200) || errors.As(err, &late) && late.Timeout() {
			t.Errorf("%s again: %+v, %v", c.request, resp, err)
		}
	}
}
