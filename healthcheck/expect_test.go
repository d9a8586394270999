package healthcheck

import (
	"bytes"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/net/http2/hpack"
)

func field(path, want string, steps ...JSONStep) JSONField { return JSONField{path, steps, want} }

func TestExpectations(t *testing.T) {
	const doc = `{"status": "ok", "n": 1.0, "big": 12345678901234567890, "on": true, "none": null, "nodes": [{"ready": true}, {"ready": false}], "a.b": {"c": "d"}}`
	answer := func(body string) func(net.Conn) {
		return says("HTTP/1.1 200 OK\r\nX-Ready: no\r\nX-Ready: yes\r\n\r\n" + body)
	}
	name := func(s string) JSONStep { return JSONStep{Name: s} }
	for _, c := range []struct {
		name, body string
		change     func(*Check)
		want       string
	}{
		{"header", doc, func(c *Check) { c.Fields = []Header{{"x-ready", "yes"}} }, "+status 200"},
		{"header missing", doc, func(c *Check) { c.Fields = []Header{{"X-Other", "yes"}} }, "header X-Other is missing"},
		{"header differs", doc, func(c *Check) { c.Fields = []Header{{"X-Ready", "ye"}} }, `header X-Ready is "no", want "ye"`},
		{"pattern", doc, func(c *Check) { c.Pattern = regexp.MustCompile(`"status": *"ok"`) }, "+status 200"},
		{"pattern missing", doc, func(c *Check) { c.Pattern = regexp.MustCompile(`^ok`) }, `body does not match "^ok"`},
		{"pattern and text", doc, func(c *Check) { c.Body, c.Pattern = "nodes", regexp.MustCompile(`^{`) }, "+status 200"},
		{"text", doc, func(c *Check) { c.JSON = []JSONField{field("status", `"ok"`, name("status"))} }, "+status 200"},
		{"number by value", doc, func(c *Check) { c.JSON = []JSONField{field("n", "1", name("n"))} }, "+status 200"},
		{"big number", doc, func(c *Check) { c.JSON = []JSONField{field("big", "12345678901234567890", name("big"))} }, "+status 200"},
		{"true", doc, func(c *Check) {
			c.JSON = []JSONField{field("on", "true", name("on")), field("nodes[0].ready", "true", name("nodes"), JSONStep{}, name("ready"))}
		}, "+status 200"},
		{"odd name", doc, func(c *Check) { c.JSON = []JSONField{field(`["a.b"].c`, `"d"`, name("a.b"), name("c"))} }, "+status 200"},
		{"false instead", doc, func(c *Check) {
			c.JSON = []JSONField{field("nodes[1].ready", "true", name("nodes"), JSONStep{Index: 1}, name("ready"))}
		}, "body has nodes[1].ready: false, want true"},
		{"text is no number", doc, func(c *Check) { c.JSON = []JSONField{field("status", "0", name("status"))} }, `body has status: "ok", want 0`},
		{"null", doc, func(c *Check) { c.JSON = []JSONField{field("none", `""`, name("none"))} }, `body has none: null, want ""`},
		{"not there", doc, func(c *Check) { c.JSON = []JSONField{field("x.y", `1`, name("x"), name("y"))} }, `body has no x.y`},
		{"no such element", doc, func(c *Check) { c.JSON = []JSONField{field("nodes[2]", `1`, name("nodes"), JSONStep{Index: 2})} }, `body has no nodes[2]`},
		{"an object", doc, func(c *Check) { c.JSON = []JSONField{field("nodes", `1`, name("nodes"))} }, `body has nodes: an array, want 1`},
		{"JSON and text", doc, func(c *Check) { c.Body, c.JSON = "nope", []JSONField{field("on", "true", name("on"))} }, `body lacks "nope"`},
		{"not JSON", "<html>", func(c *Check) { c.JSON = []JSONField{field("on", "true", name("on"))} },
			"body is not JSON: invalid character '<' looking for beginning of value"},
		{"two documents", "{} {}", func(c *Check) { c.JSON = []JSONField{field("on", "true", name("on"))} }, "body is not JSON: something follows the value"},
		{"long JSON", `{"a": "` + strings.Repeat("x", maxBody) + `"}`, func(c *Check) { c.JSON = []JSONField{field("on", "true", name("on"))} },
			"body is longer than 64 KiB, too long to be read as JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			expect(t, observe(t, NewProber(ProberOptions{}), patient(HTTP, listen(t, answer(c.body)), c.change)), c.want)
		})
	}
}

// TestPatternCostIsBounded: a text that trickles in is not searched over and
// over, and is still found at its end.
func TestPatternCostIsBounded(t *testing.T) {
	text := []byte(strings.Repeat("x", maxBody-1) + "y")
	s := sought{pattern: regexp.MustCompile("y$")}
	for i := range len(text) {
		if s.look(text[:i+1], 1, false) && i+1 < len(text) {
			t.Fatalf("found at byte %d", i)
		}
	}
	if s.tried > 5*maxBody {
		t.Errorf("the pattern was tried on %d bytes", s.tried)
	}
	if err := (Check{Pattern: regexp.MustCompile("y$")}).findIn(iotest.OneByteReader(bytes.NewReader(text)), "body"); err != nil {
		t.Error(err)
	}
}

// TestLatePattern: a pattern counts wherever it stands in the first 64 KiB,
// however much came before it and whatever follows it.
func TestLatePattern(t *testing.T) {
	banner := []byte(strings.Repeat("x", 2000) + "220 ready\n")
	for name, rest := range map[string]io.Reader{
		"ends": strings.NewReader(""), "hangs": iotest.ErrReader(os.ErrDeadlineExceeded), "breaks": iotest.ErrReader(syscall.ECONNRESET),
	} {
		text := io.MultiReader(iotest.OneByteReader(bytes.NewReader(banner)), rest)
		if err := (Check{Pattern: regexp.MustCompile("220 ready")}).findIn(text, "answer"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	port := listen(t, greets(strings.Repeat("x", 40<<10)+"\n220 ready\n"))
	target := patient(TCP, port, func(c *Check) { c.Pattern, c.Timeout = regexp.MustCompile("220 ready"), time.Second })
	expect(t, observe(t, NewProber(ProberOptions{}), target), "+answered as expected")
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"a": [1, "x", {"b": null}]}`), "a", 1, `"x"`)
	f.Fuzz(func(t *testing.T, body []byte, name string, index int, want string) {
		fields := []JSONField{field("p", want, JSONStep{Name: name}, JSONStep{Index: index})}
		if err := wantJSON(body, fields); err == nil && !bytes.Contains(body, []byte("[")) {
			t.Errorf("%q has an element %d", body, index)
		}
	})
}

// FuzzHTTP2 lets a server say anything after our request.
func FuzzHTTP2(f *testing.F) {
	var ok bytes.Buffer
	_ = send2(&ok, []hpack.HeaderField{{Name: ":status", Value: "200"}}, []byte("ok")) // near enough to an answer
	f.Add(ok.Bytes()[24:])
	f.Fuzz(func(t *testing.T, wire []byte) {
		a, err := call2(&fakeConn{Reader: bytes.NewReader(wire)}, nil, nil)
		if err != nil {
			return
		}
		if a.header == nil || a.status < 100 {
			t.Errorf("answer %+v", a)
		}
		_, _ = judgeGRPC(a)
		if n, err := io.Copy(io.Discard, a); n > maxWire || err == io.ErrUnexpectedEOF && a.ended {
			t.Errorf("%d bytes of a body, %v", n, err)
		}
	})
}

type fakeConn struct{ io.Reader }

func (*fakeConn) Write(p []byte) (int, error) { return len(p), nil }

func FuzzGRPCHealth(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 2, 8, 1})
	f.Fuzz(func(t *testing.T, body []byte) {
		if health, err := grpcHealth(body); err == nil && health == serving && !bytes.Contains(body[5:], []byte{1}) {
			t.Errorf("% x is serving", body)
		}
	})
}

func FuzzDNSReply(f *testing.F) {
	target := Target{Name: "www.example.com", Check: Check{Question: Question{Type: "A", Rcode: "NOERROR", Answers: []string{"192.0.2.1"}}}}
	query, err := queryOf(target)
	if err != nil {
		f.Fatal(err)
	}
	wire, err := query.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wire)
	f.Fuzz(func(t *testing.T, wire []byte) {
		reply := query.Copy()
		if reply.Unpack(wire) != nil || !isReplyTo(reply, query) {
			return
		}
		if found, err := target.Check.Question.judge(reply); err == nil && len(reply.Answer) == 0 {
			t.Errorf("passed without a record: %s", found)
		}
	})
}
