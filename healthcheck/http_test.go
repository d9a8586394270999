package healthcheck

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// says reads a request's header and answers with raw bytes, then closes.
func says(answer string) func(net.Conn) {
	return func(c net.Conn) {
		if readRequest(c) {
			_, _ = io.WriteString(c, answer)
		}
	}
}

// saysAndHangs is says, but the connection stays open.
func saysAndHangs(answer string) func(net.Conn) {
	return func(c net.Conn) {
		says(answer)(c)
		awaitClose(c)
	}
}

func readRequest(c net.Conn) bool {
	_, err := http.ReadRequest(bufio.NewReader(c))
	return err == nil
}

func TestHTTPProbe(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nall ok"
	big := strings.Repeat("x", maxBody)
	for _, c := range []struct {
		name   string
		serve  func(net.Conn)
		change func(*Check)
		want   string // with a leading + when it passes
	}{
		{"ok", says(ok), nil, "+status 200"},
		{"HEAD", says("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"), func(c *Check) { c.Method = "HEAD" }, "+status 200"},
		{"HTTP/1.0", says("HTTP/1.0 204 No Content\r\n\r\n"), nil, "+status 204"},
		{"bad status", says("HTTP/1.1 503 Service Unavailable\r\n\r\n"), nil, "status 503, want 200-399"},
		{"redirect is a status", says("HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\n\r\n"), nil, "+status 302"},
		{"redirect is not followed", says("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"),
			func(c *Check) { c.Status = []StatusRange{{200, 204}, {301, 301}} }, "status 302, want 200-204,301"},
		{"early hints", says("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok), nil, "+status 200"},
		{"unasked upgrade", says("HTTP/1.1 101 Switching Protocols\r\n\r\n"), nil, "status 101, want 200-399"},
		{"endless early hints", says(strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 4000)), nil, "header larger than 64 KiB"},
		{"body", says(ok), func(c *Check) { c.Body = "ok" }, "+status 200"},
		{"body lacks", says(ok), func(c *Check) { c.Body = "fine" }, `body lacks "fine"`},
		{"body in two parts", says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nall\r\n3\r\n ok\r\n0\r\n\r\n"),
			func(c *Check) { c.Body = "all ok" }, "+status 200"},
		{"body not read to its end", saysAndHangs("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nall ok"),
			func(c *Check) { c.Body = "ok" }, "+status 200"},
		{"body not wanted", saysAndHangs("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"), nil, "+status 200"},
		{"slow body", saysAndHangs("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nall"),
			func(c *Check) { c.Body = "ok" }, "timeout after 200ms while reading the body"},
		{"body cut off", says("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nall"),
			func(c *Check) { c.Body = "ok" }, "connection closed while reading the body"},
		{"body at the limit", says("HTTP/1.1 200 OK\r\n\r\n" + big[2:] + "ok"), func(c *Check) { c.Body = "ok" }, "+status 200"},
		{"body past the limit", says("HTTP/1.1 200 OK\r\n\r\n" + big[1:] + "ok"),
			func(c *Check) { c.Body = "ok" }, `body lacks "ok" in its first 64 KiB`},
		{"slow header", saysAndHangs("HTTP/1.1 200 OK\r\nX: "), nil, "timeout after 200ms while waiting for the header"},
		{"huge header", says("HTTP/1.1 200 OK\r\nX: " + big + "\r\n\r\n"), nil, "header larger than 64 KiB"},
		{"closes at once", func(net.Conn) {}, nil, "connection closed while waiting for the header|read: connection reset by peer|write: broken pipe|write: connection reset by peer"},
		{"closes after the request", says(""), nil, "connection closed while waiting for the header"},
		{"garbage", says("SSH-2.0-OpenSSH_9.2\r\n"), nil, `answer is not valid HTTP: malformed HTTP response "SSH-2.0-OpenSSH_9.2"`},
		{"binary", says("\x00\xff\x1b[31m\r\n\r\n"), nil, `answer is not valid HTTP: malformed HTTP response "\x00\xff\x1b[31m"`},
		{"no status wanted", says(ok), func(c *Check) { c.Status = nil }, "status 200, want none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			check := quickCheck(HTTP, listen(t, c.serve))
			if c.change != nil {
				c.change(&check)
			}
			o := observe(t, NewProber(ProberOptions{}), Target{Name: "www.example.com", Addr: loopback, Check: check})
			expect(t, o, c.want)
		})
	}
}

// expect compares an observation with one of the wanted reasons, separated
// by |; a leading + wants success.
func expect(t *testing.T, o Observation, want string) {
	t.Helper()
	reason, ok := strings.CutPrefix(want, "+")
	for one := range strings.SplitSeq(reason, "|") {
		if o.OK == ok && o.Reason == one {
			return
		}
	}
	t.Errorf("ok=%v %q, want ok=%v %q", o.OK, o.Reason, ok, reason)
}

func TestRequestBytes(t *testing.T) {
	plain := Target{Name: "www.example.com", Addr: loopback, Check: quickCheck(HTTP, 80)}
	for _, c := range []struct {
		name   string
		change func(*Target)
		want   string
	}{
		{"defaults", func(*Target) {},
			"GET / HTTP/1.1|Host: www.example.com|User-Agent: steerdns/1.2 (health check)|Accept: */*|Connection: close||"},
		{"host, method, query", func(t *Target) { t.Check.Host, t.Check.Method, t.Check.Path = "a.example.com:81", "HEAD", "/x?y=%20" },
			"HEAD /x?y=%20 HTTP/1.1|Host: a.example.com:81|User-Agent: steerdns/1.2 (health check)|Accept: */*|Connection: close||"},
		{"headers replace defaults, in order and case", func(t *Target) {
			t.Check.Headers = []Header{{"x-b", "2"}, {"user-agent", "me"}, {"X-A", "1"}, {"X-A", "2"}}
		}, "GET / HTTP/1.1|Host: www.example.com|Accept: */*|Connection: close|x-b: 2|user-agent: me|X-A: 1|X-A: 2||"},
		{"POST has a length", func(t *Target) { t.Check.Method = "POST" },
			"POST / HTTP/1.1|Host: www.example.com|User-Agent: steerdns/1.2 (health check)|Accept: */*|Connection: close|Content-Length: 0||"},
		{"no name", func(t *Target) { t.Name = "" },
			"GET / HTTP/1.1|Host: 127.0.0.1|User-Agent: steerdns/1.2 (health check)|Accept: */*|Connection: close||"},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := plain
			c.change(&target)
			got, err := requestBytes(target, "steerdns/1.2 (health check)")
			if want := strings.ReplaceAll(c.want, "|", "\r\n"); err != nil || string(got) != want {
				t.Errorf("got %q, %v\nwant %q", got, err, want)
			}
		})
	}
}

// FuzzExchange gives the probe any bytes as the answer.
func FuzzExchange(f *testing.F) {
	for _, s := range []string{"HTTP/1.1 200 OK\r\n\r\nok", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200\r\n\r\n", "\x16\x03\x01", ""} {
		f.Add([]byte(s))
	}
	check := quickCheck(HTTP, 80)
	check.Body = "ok"
	f.Fuzz(func(t *testing.T, answer []byte) {
		found, err := exchange(&canned{Reader: bytes.NewReader(answer)}, []byte("GET"), check)
		if err == nil && (!bytes.HasPrefix(answer, []byte("HTTP/")) || !bytes.Contains(answer, []byte("k"))) {
			t.Errorf("%q passed: %s", answer, found)
		}
		if err != nil && clean(err.Error()) == "" {
			t.Errorf("%q failed without a reason", answer)
		}
	})
}

// canned answers with its reader whatever is written.
type canned struct{ io.Reader }

func (c *canned) Write(p []byte) (int, error) { return len(p), nil }

func TestTCPProbe(t *testing.T) {
	silent := listen(t, awaitClose)
	o := observe(t, NewProber(ProberOptions{}), Target{Addr: loopback, Check: quickCheck(TCP, silent)})
	expect(t, o, "+connected")
	o = observe(t, NewProber(ProberOptions{}), Target{Addr: loopback, Check: quickCheck(TCP, closedPort(t))})
	expect(t, o, "connect: connection refused")
}

func TestStatusText(t *testing.T) {
	for want, in := range map[string][]StatusRange{
		"none": nil, "200": {{200, 200}}, "200-299": {{200, 299}}, "200-204,301": {{200, 204}, {301, 301}},
	} {
		if got := statusText(in); got != want {
			t.Errorf("statusText(%v) = %q, want %q", fmt.Sprint(in), got, want)
		}
	}
}

// TestFindInBodyAcrossReads: the text counts however the network cut it.
func TestFindInBodyAcrossReads(t *testing.T) {
	body := func() io.Reader { return iotest.OneByteReader(strings.NewReader("status: all ok.")) }
	if err := (Check{Body: "all ok"}).findIn(body(), "body"); err != nil {
		t.Error(err)
	}
	if err := (Check{Body: "all ok!"}).findIn(body(), "body"); err == nil {
		t.Error("found what is not there")
	}
}

func BenchmarkProbe(b *testing.B) {
	port := listen(b, says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	for _, kind := range []Kind{TCP, HTTP} {
		b.Run(string(kind), func(b *testing.B) {
			p := NewProber(ProberOptions{})
			target := Target{Name: "www.example.com", Addr: loopback, Check: quickCheck(kind, port)}
			b.ReportAllocs()
			for b.Loop() {
				if o := p.Probe(b.Context(), target); !o.OK {
					b.Fatal(o.Reason)
				}
			}
		})
	}
}
