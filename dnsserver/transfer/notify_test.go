package transfer

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/steerdns/steerdns/dnsserver/tsig"
)

const (
	patience  = 20 * time.Second
	keySecret = "c3RlZXJkbnMtdHNpZy10ZXN0LXNlY3JldC0wMTIzNDU2Nzg5"
	keyName   = "\x06backup\x00"
)

func testRing(t *testing.T) *tsig.Ring {
	t.Helper()
	ring, problems := tsig.Parse(fmt.Appendf(nil, "key backup { algorithm hmac-sha256; secret %q; };", keySecret))
	if problems != nil {
		t.Fatal(problems)
	}
	return ring
}

// secondary hears NOTIFY and answers as answer says; nil: not at all.
type secondary struct {
	*net.UDPConn
	heard chan *dns.Msg
}

func newSecondary(t *testing.T, answer func(n int, m *dns.Msg) []byte) *secondary {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	s := &secondary{conn, make(chan *dns.Msg, 64)}
	go func() {
		buf := make([]byte, 4096)
		for n := 0; ; n++ {
			size, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			m := new(dns.Msg)
			if m.Unpack(buf[:size]) != nil {
				continue
			}
			s.heard <- m
			if out := answer(n, m); out != nil {
				_, _ = conn.WriteToUDPAddrPort(out, from)
			}
		}
	}()
	return s
}

func (s *secondary) target(key string) Target {
	return Target{s.LocalAddr().(*net.UDPAddr).AddrPort(), key}
}

// acknowledge is the answer of a secondary that has the secret.
func acknowledge(secret string) func(int, *dns.Msg) []byte {
	return answerWith(secret, dns.RcodeSuccess)
}

func answerWith(secret string, rcode int) func(int, *dns.Msg) []byte {
	return func(_ int, m *dns.Msg) []byte {
		r := new(dns.Msg)
		r.SetRcode(m, rcode)
		r.Extra = nil
		if m.IsTsig() == nil {
			out, _ := r.Pack()
			return out
		}
		r.SetTsig("backup.", dns.HmacSHA256, 300, time.Now().Unix())
		out, _, _ := dns.TsigGenerate(r, secret, m.IsTsig().MAC, false)
		return out
	}
}

func startNotifier(t *testing.T, timeout time.Duration) *notifier {
	t.Helper()
	ring := testRing(t)
	n := newNotifier(Options{Log: slog.New(slog.DiscardHandler)}, func() *tsig.Ring { return ring })
	n.timeout = timeout
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.run(ctx) }()
	t.Cleanup(func() {
		stop()
		select {
		case <-done:
		case <-time.After(patience):
			t.Error("the notifier does not end")
		}
	})
	return n
}

func await(t *testing.T, what string, counter *atomic.Uint64, want uint64) {
	t.Helper()
	for deadline := time.Now().Add(patience); counter.Load() < want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d, want %d", what, counter.Load(), want)
		}
	}
}

func testVersion(t *testing.T, serial uint32) *version {
	t.Helper()
	v, err := newVersion(mustContent(t, buildZone(t, serial, false, ""), nil, false), serial, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The message is what RFC 1996 3 asks for, signed where the target has a key,
// and its answer ends the matter.
func TestNotify(t *testing.T) {
	for name, key := range map[string]string{"unsigned": "", "signed": keyName} {
		t.Run(name, func(t *testing.T) {
			s, n := newSecondary(t, acknowledge(keySecret)), startNotifier(t, patience)
			v := testVersion(t, 7)
			n.tell(&Rule{Notify: []Target{s.target(key)}}, v.content.zone.Name, v.soa, 7)
			m := <-s.heard
			if m.Opcode != dns.OpcodeNotify || !m.Authoritative || len(m.Question) != 1 || m.Question[0] != (dns.Question{Name: apex, Qtype: dns.TypeSOA, Qclass: dns.ClassINET}) ||
				len(m.Answer) != 1 || m.Answer[0].(*dns.SOA).Serial != 7 || m.Answer[0].Header().Name != apex || (m.IsTsig() != nil) != (key != "") {
				t.Errorf("got %v", m)
			}
			await(t, "acknowledged", &n.acknowledged, 1)
			if n.failed.Load() != 0 || len(s.heard) != 0 {
				t.Errorf("%d failed, %d more messages", n.failed.Load(), len(s.heard))
			}
		})
	}
}

// Until an answer comes that can be believed, it is said again; then it is given up.
func TestNotifyIsRepeated(t *testing.T) {
	other := base64.StdEncoding.EncodeToString([]byte("another secret of thirty-two octe"))
	good := acknowledge(keySecret)
	for name, c := range map[string]struct {
		answer func(n int, m *dns.Msg) []byte
		heard  int
		failed uint64
	}{
		"lost twice": {func(n int, m *dns.Msg) []byte {
			if n < 2 {
				return nil
			}
			return good(n, m)
		}, 3, 0},
		"forged":   {acknowledge(other), notifyTries, 1},
		"silent":   {func(int, *dns.Msg) []byte { return nil }, notifyTries, 1},
		"nonsense": {func(int, *dns.Msg) []byte { return []byte("nonsense") }, notifyTries, 1},
		"refused":  {answerWith(keySecret, dns.RcodeRefused), notifyTries, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, n := newSecondary(t, c.answer), startNotifier(t, 20*time.Millisecond)
			v := testVersion(t, 7)
			n.tell(&Rule{Notify: []Target{s.target(keyName)}}, v.content.zone.Name, v.soa, 7)
			if c.failed > 0 {
				await(t, "failed", &n.failed, 1)
			} else {
				await(t, "acknowledged", &n.acknowledged, 1)
			}
			if got := len(s.heard); got != c.heard {
				t.Errorf("heard %d times, want %d", got, c.heard)
			}
		})
	}
}

// While a secondary is silent, its news is replaced by newer news, others hear
// theirs, and nobody who tells waits.
func TestNewsIsReplaced(t *testing.T) {
	silent := newSecondary(t, func(int, *dns.Msg) []byte { return nil })
	speaks := newSecondary(t, acknowledge(keySecret))
	n := startNotifier(t, 10*time.Millisecond)
	rule := &Rule{Notify: []Target{silent.target(""), speaks.target("")}}
	for serial := uint32(1); serial <= 40; serial++ {
		v := testVersion(t, serial)
		n.tell(rule, v.content.zone.Name, v.soa, serial)
	}
	await(t, "failed", &n.failed, 2) // the one under way, and the newest
	last := uint32(0)
	for len(silent.heard) > 0 {
		last = (<-silent.heard).Answer[0].(*dns.SOA).Serial
	}
	if last != 40 {
		t.Errorf("the last news was of %d, not of 40", last)
	}
	for last = 0; last != 40; {
		select {
		case m := <-speaks.heard:
			last = m.Answer[0].(*dns.SOA).Serial
		case <-time.After(patience):
			t.Fatal("the other secondary was not told of 40")
		}
	}
}

func TestMissingKeys(t *testing.T) {
	s := NewServer(Options{})
	rules := []Rule{{Allow: []Allow{{Key: keyName}, {Key: "\x01x\x00"}, {Key: "\x01x\x00"}, {}}, Notify: []Target{{netip.AddrPort{}, "\x01y\x00"}}}}
	if got := fmt.Sprint(s.MissingKeys(rules)); got != "[backup. x. y.]" {
		t.Error(got)
	}
	s.SetKeys(testRing(t))
	if got := fmt.Sprint(s.MissingKeys(rules)); got != "[x. y.]" {
		t.Error(got)
	}
}
