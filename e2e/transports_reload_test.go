//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
)

// TestNothingIsLost changes everything under load: the zones, the certificate,
// and three times the process. dnsperf sends as much as the machine carries,
// and never asks twice; clients of all other transports ask beside it.
// STEERDNS_RELOAD is how long it takes.
func TestNothingIsLost(t *testing.T) {
	l := newSecureLone(t, oneFleet, append(everywhere, "drain_timeout: 5s")...)
	fleet := filepath.Join(l.dir, "changing.yaml")
	write(t, l.dir, "changing.yaml", l.alive(oneFleet))
	text, err := os.ReadFile(l.config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, l.dir, "lone.yaml", regexp.MustCompile(`(?m)^fleet: .*$`).ReplaceAllString(string(text), "fleet: "+fleet))
	p := l.serve(t)
	t.Cleanup(func() { l.endAll(t, p) })
	l.awaitReady(t, p)
	length := lengthOf(t, "STEERDNS_RELOAD", 12*time.Second)

	load := startDnsperf(t, l.dnsperfArgs(t, "udp", length)...)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	streams := map[string]*persistent{"tcp": {dial: l.dialTCP}, "dot": {dial: l.dialTLS}, "doh": {dial: l.dialHTTPS}, "doq": {dial: l.dialQUIC}}
	var clients sync.WaitGroup
	for name, c := range streams {
		for range 4 {
			clients.Go(func() { c.askOn(ctx, t, name) })
		}
	}

	serial := int64(1)
	for step := range 6 {
		ends := time.Now().Add(length / 8)
		switch step % 3 {
		case 0:
			write(t, l.dir, "changing.yaml", l.alive(oneFleet)+fmt.Sprintf("# change %d\n", step))
			l.signal(t, p, syscall.SIGHUP)
			await(t, patience, "the fleet file is reloaded", func() error { return p.saidTimes("msg=reloaded", step/3+1) })
		case 1:
			serial++
			l.writeCertificate(t, serial)
			l.signal(t, p, syscall.SIGHUP)
			await(t, patience, "the new certificate is shown", func() error {
				if got := l.serial(t); got != serial {
					return fmt.Errorf("certificate %d", got)
				}
				return nil
			})
		case 2:
			l.handOver(t, p)
		}
		await(t, length, "the step's time is over", func() error {
			if time.Now().Before(ends) {
				return errors.New("not yet")
			}
			return nil
		})
	}
	udp := load()
	cancel()
	clients.Wait()
	t.Logf("UDP: %d queries sent, %d lost, %d NOERROR", udp.sent, udp.lost, udp.noError)
	if !udp.clean() {
		t.Errorf("UDP:\n%s", udp.text)
	}
	for name, c := range streams {
		t.Logf("%s: %d queries, %d lost, %d sent again after their connection was closed", name, c.asked.Load(), c.lost.Load(), c.again.Load())
		if c.lost.Load() > 0 || c.asked.Load() < 20 {
			t.Errorf("%s: %d of %d lost", name, c.lost.Load(), c.asked.Load())
		}
	}
}

// startDnsperf starts dnsperf and returns how to wait for its end.
func startDnsperf(t *testing.T, args ...string) func() perf {
	t.Helper()
	cmd := exec.Command("dnsperf", args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() perf {
		if err := cmd.Wait(); err != nil {
			t.Errorf("dnsperf: %v", err)
		}
		return parsePerf(out.String())
	}
}

var takenOver = regexp.MustCompile(`another process has taken over; [^\n]* pid=(\d+)`)

// current is the process that serves now: p, or the last that took over.
func (l *secureLone) current(p *process) int {
	pids := takenOver.FindAllStringSubmatch(p.said.String(), -1)
	if len(pids) == 0 {
		return p.cmd.Process.Pid
	}
	pid, _ := strconv.Atoi(pids[len(pids)-1][1]) // digits
	return pid
}

func (l *secureLone) signal(t *testing.T, p *process, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(l.current(p), sig); err != nil {
		t.Fatal(err)
	}
}

// handOver replaces the process and waits until the old one is gone.
func (l *secureLone) handOver(t *testing.T, p *process) {
	t.Helper()
	old := l.current(p)
	l.signal(t, p, syscall.SIGUSR2)
	await(t, patience, "another process takes over", func() error {
		if l.current(p) == old {
			return errors.New("the old one serves on")
		}
		return nil
	})
	await(t, patience, "the old process ends", func() error { return absent(old) })
}

// endAll ends the process that took over last; the others are gone.
func (l *secureLone) endAll(t *testing.T, p *process) {
	last := l.current(p)
	if last == p.cmd.Process.Pid {
		return
	}
	_ = syscall.Kill(last, syscall.SIGTERM) // it may have ended
	await(t, patience, "the last process ends", func() error { return absent(last) })
}

// persistent are clients that keep their connection. When it is closed under a
// query they connect anew and ask again, once, as RFC 7766 6.2.4 has it.
type persistent struct {
	dial               func() (answerer, error)
	asked, lost, again atomic.Int64
}

// answerer is a connection that answers one query at a time.
type answerer interface {
	ask(query []byte) ([]byte, error)
	io.Closer
}

func (c *persistent) askOn(ctx context.Context, t *testing.T, name string) {
	query, err := question{}.message().Pack()
	if err != nil {
		t.Error(err)
		return
	}
	query[0], query[1] = 0, 0 // as QUIC wants it
	var conn answerer
	for ctx.Err() == nil {
		c.asked.Add(1)
		reply, tries := []byte(nil), 0
		for ; reply == nil && tries < 3; tries++ {
			if conn == nil {
				if conn, err = c.dial(); err != nil {
					conn = nil
					continue
				}
			}
			if reply, err = conn.ask(query); err != nil {
				conn.Close()
				conn, reply = nil, nil
			}
		}
		switch {
		case reply == nil || reply[3]&15 != 0:
			t.Errorf("%s: %v %x", name, err, reply)
			c.lost.Add(1)
		case tries > 1:
			c.again.Add(1)
		}
		wait(ctx, 5*time.Millisecond)
	}
	if conn != nil {
		conn.Close()
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// framed asks over TCP and TLS.
type framed struct{ net.Conn }

func (l *secureLone) dialTCP() (answerer, error) {
	conn, err := net.DialTimeout("tcp", l.DNS, 10*time.Second)
	return framed{conn}, err
}

func (l *secureLone) dialTLS() (answerer, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", l.dot, l.trusting("dot"))
	return framed{conn}, err
}

func (f framed) ask(query []byte) ([]byte, error) {
	_ = f.SetDeadline(time.Now().Add(10 * time.Second)) // the next call tells
	if _, err := f.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)); err != nil {
		return nil, err
	}
	return readFramed(f)
}

func readFramed(r io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	reply := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, reply)
	return reply, err
}

// overHTTPS asks by a client that knows when to ask again by itself.
type overHTTPS struct {
	client *http.Client
	url    string
}

func (l *secureLone) dialHTTPS() (answerer, error) {
	tr := &http.Transport{TLSClientConfig: l.trusting(), ForceAttemptHTTP2: true}
	return overHTTPS{&http.Client{Transport: tr, Timeout: 10 * time.Second}, "https://" + l.doh + "/dns-query?dns="}, nil
}

func (h overHTTPS) ask(query []byte) ([]byte, error) {
	resp, err := h.client.Get(h.url + base64.RawURLEncoding.EncodeToString(query))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		return nil, fmt.Errorf("%s %s", resp.Proto, resp.Status)
	}
	return io.ReadAll(resp.Body)
}

func (h overHTTPS) Close() error {
	h.client.CloseIdleConnections()
	return nil
}

type overQUIC struct{ conn *quic.Conn }

func (l *secureLone) dialQUIC() (answerer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := quic.DialAddr(ctx, l.doq, l.trusting("doq"), &quic.Config{MaxIdleTimeout: 5 * time.Second})
	return overQUIC{conn}, err
}

func (q overQUIC) ask(query []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	stream, err := q.conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, err
	}
	_ = stream.SetDeadline(time.Now().Add(10 * time.Second)) // the next call tells
	if _, err := stream.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)); err != nil {
		return nil, err
	}
	_ = stream.Close() // reading tells
	return readFramed(stream)
}

func (q overQUIC) Close() error { return q.conn.CloseWithError(0, "") }

// A new process that cannot serve changes nothing.
func TestHandoverThatFails(t *testing.T) {
	l := newSecureLone(t, oneFleet, everywhere...)
	p := l.serve(t)
	l.awaitReady(t, p)
	text, err := os.ReadFile(l.config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, l.dir, "lone.yaml", strings.Replace(string(text), "workers: 1", "workers: plenty", 1))
	l.signal(t, p, syscall.SIGUSR2)
	await(t, patience, "it says why", func() error {
		return errors.Join(p.saidTimes("no handover: this process serves on", 1), p.saidTimes("dns.workers", 1))
	})
	mustAsk(t, l.DNS, question{})
	mustAsk(t, l.DNS, question{tcp: true})
	write(t, l.dir, "lone.yaml", string(text))
	t.Cleanup(func() { l.endAll(t, p) })
	l.handOver(t, p)
	mustAsk(t, l.DNS, question{})
	l.awaitReady(t, p)
}

// Sockets as systemd passes them are used, and one that nothing wants is an
// error.
func TestSocketActivation(t *testing.T) {
	l := loneInstance(t, write(t, t.TempDir(), "fleet.yaml", oneFleet), embedded(t), "")
	at, err := net.ResolveUDPAddr("udp", l.DNS)
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenUDP("udp4", at)
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcp, err := net.ListenTCP("tcp4", (*net.TCPAddr)(&net.TCPAddr{IP: at.IP, Port: at.Port}))
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	other, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: at.IP})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	serve := func(conns ...interface{ File() (*os.File, error) }) (*exec.Cmd, *words) {
		cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh", program, "serve", "--config", l.config)
		cmd.Env = append(os.Environ(), fmt.Sprintf("LISTEN_FDS=%d", len(conns)))
		said := &words{}
		cmd.Stdout, cmd.Stderr = said, said
		for _, c := range conns {
			f, err := c.File()
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, said
	}
	cmd, said := serve(udp, tcp, other)
	if err := cmd.Wait(); err == nil || !strings.Contains(said.String(), "stream "+other.Addr().String()) {
		t.Errorf("%v:\n%s", err, said)
	}
	cmd, said = serve(udp, tcp)
	await(t, patience, "it answers on both", func() error {
		for _, overTCP := range []bool{false, true} {
			if r, err := ask(l.DNS, question{tcp: overTCP}); err != nil || len(r.addresses()) == 0 {
				return fmt.Errorf("%v %v\n%s", r.Msg, err, said)
			}
		}
		return nil
	})
	_ = cmd.Process.Signal(syscall.SIGTERM) // Wait tells
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v:\n%s", err, said)
	}
}
