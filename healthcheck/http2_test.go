package healthcheck

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// serveHTTP2 is Go's own HTTP/2 server over TLS.
func serveHTTP2(t *testing.T, cert tls.Certificate, handler http.HandlerFunc) uint16 {
	t.Helper()
	srv := &http.Server{Handler: handler, Protocols: new(http.Protocols), TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
	srv.Protocols.SetHTTP2(true)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = srv.ServeTLS(l, "", "") }() // ends by Close
	t.Cleanup(func() { _ = srv.Close() })
	return portOf(l.Addr())
}

func TestHTTP2Probe(t *testing.T) {
	cert, roots := trust(t, 100*time.Hour)
	port := serveHTTP2(t, cert, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 || r.Host != "www.example.com" || r.Header.Get("X-Probe") != "1" || r.Header.Get("User-Agent") != "mine" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		switch r.URL.RequestURI() {
		case "/big":
			_, _ = io.WriteString(w, strings.Repeat("x", 10*maxBody))
		case "/hangs", "/hangs?500":
			w.Header().Set("X-Ready", "yes")
			w.WriteHeader(map[string]int{"": http.StatusOK, "500": http.StatusInternalServerError}[r.URL.RawQuery])
			_, _ = io.WriteString(w, "all ok")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		default:
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Set("X-Ready", "yes")
			_, _ = io.WriteString(w, `{"status": "ok"}`)
		}
	})
	http1 := overTLS(&tls.Config{Certificates: []tls.Certificate{cert}}, says("HTTP/1.1 200 OK\r\n\r\n"))
	for _, c := range []struct {
		name   string
		port   uint16
		change func(*Check)
		want   string
	}{
		{"ok", port, func(c *Check) { c.Path = "/?full=1" }, "+status 200"},
		{"header and JSON", port, func(c *Check) {
			c.Fields = []Header{{"x-ready", "yes"}}
			c.JSON = []JSONField{{"status", []JSONStep{{"status", 0}}, `"ok"`}}
		}, "+status 200"},
		{"bad status", port, func(c *Check) { c.Headers = nil }, "status 418, want 200-399"},
		{"big body", port, func(c *Check) { c.Path, c.Body = "/big", "y" }, `body lacks "y" in its first 64 KiB`},
		{"slow body", port, func(c *Check) { c.Path, c.Body, c.Timeout = "/hangs", "y", time.Second }, "timeout after 1s while reading the body"},
		{"body not wanted", port, func(c *Check) { c.Path, c.Fields = "/hangs", []Header{{"X-Ready", "yes"}} }, "+status 200"},
		{"body not read to its end", port, func(c *Check) { c.Path, c.Body = "/hangs", "ok" }, "+status 200"},
		{"bad status, slow body", port, func(c *Check) { c.Path, c.Body = "/hangs?500", "y" }, "status 500, want 200-399"},
		{"speaks HTTP/1.1 only", listen(t, http1), nil, errNoHTTP2.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			target := patient(HTTPS, c.port, func(c *Check) { c.HTTP2, c.Headers = true, []Header{{"X-Probe", "1"}, {"User-Agent", "mine"}} })
			if c.change != nil {
				c.change(&target.Check)
			}
			expect(t, observe(t, NewProber(ProberOptions{Roots: roots}), target), c.want)
		})
	}
}

// frames2 is what a server sends over HTTP/2.
func frames2(write func(f *http2.Framer)) string {
	var out bytes.Buffer
	f := http2.NewFramer(&out, nil)
	_ = f.WriteSettings() // to a buffer
	write(f)
	return out.String()
}

// status2 is a header block that says 200.
func status2() []byte {
	var block bytes.Buffer
	_ = hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: "200"}) // to a buffer
	return block.Bytes()
}

func TestOddAnswersOverHTTP2(t *testing.T) {
	cert, roots := trust(t, 100*time.Hour)
	conf := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{protoHTTP2}}
	head := func(f *http2.Framer, stream uint32, end bool) {
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: status2(), EndHeaders: true, EndStream: end})
	}
	for _, c := range []struct {
		name  string
		write func(f *http2.Framer)
		want  string
	}{
		{"our stream", func(f *http2.Framer) { head(f, 1, true) }, "+status 200"},
		{"header of another stream", func(f *http2.Framer) { head(f, 3, true) },
			"answer is not valid HTTP/2: HEADERS on stream 3, where nothing was asked"},
		{"header of a pushed stream", func(f *http2.Framer) { head(f, 2, true) },
			"answer is not valid HTTP/2: HEADERS on stream 2, where nothing was asked"},
		{"body of another stream", func(f *http2.Framer) { head(f, 1, false); _ = f.WriteData(3, true, []byte("ok")) },
			"answer is not valid HTTP/2: DATA on stream 3, where nothing was asked while reading the body"},
		{"reset of another stream", func(f *http2.Framer) { _ = f.WriteRSTStream(3, http2.ErrCodeCancel) },
			"answer is not valid HTTP/2: RST_STREAM on stream 3, where nothing was asked"},
		{"priority of another stream", func(f *http2.Framer) { _ = f.WritePriority(3, http2.PriorityParam{}); head(f, 1, true) }, "+status 200"},
		{"reset", func(f *http2.Framer) { _ = f.WriteRSTStream(1, http2.ErrCodeRefusedStream) }, "the server resets the stream: REFUSED_STREAM"},
		{"reset in the body", func(f *http2.Framer) { head(f, 1, false); _ = f.WriteRSTStream(1, http2.ErrCodeInternal) },
			"the server resets the stream: INTERNAL_ERROR while reading the body"},
		{"goes away", func(f *http2.Framer) { _ = f.WriteGoAway(0, http2.ErrCodeNo, nil) }, "the server ends the connection: NO_ERROR"},
		{"goes away afterwards", func(f *http2.Framer) { _ = f.WriteGoAway(1, http2.ErrCodeNo, nil); head(f, 1, true) }, "+status 200"},
		{"body first", func(f *http2.Framer) { _ = f.WriteData(1, true, nil) }, "answer is not valid HTTP/2: a body without a header"},
		{"flood of pings", func(f *http2.Framer) {
			for range maxWire/17 + 1 {
				_ = f.WritePing(true, [8]byte{})
			}
		}, errBigAnswer.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			port := listen(t, overTLS(conf, greets(frames2(c.write))))
			target := patient(HTTPS, port, func(check *Check) {
				check.HTTP2 = true
				if c.want[0] != '+' {
					check.Body = "ok"
				}
			})
			expect(t, observe(t, NewProber(ProberOptions{Roots: roots}), target), c.want)
		})
	}
	cut := listen(t, overTLS(conf, func(c net.Conn) {
		_, _ = io.WriteString(c, frames2(func(f *http2.Framer) { head(f, 1, false); _ = f.WriteData(1, false, []byte("all")) }))
	}))
	target := patient(HTTPS, cut, func(c *Check) { c.HTTP2, c.Body = true, "ok" })
	expect(t, observe(t, NewProber(ProberOptions{Roots: roots}), target), "connection closed while reading the body|read: connection reset by peer")
}
