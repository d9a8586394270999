package dnsserver

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestDoHStatusCodes(t *testing.T) {
	s := startSecure(t, Options{})
	pkt, _ := query(t, "www.example.com A")
	at := "https://" + s.AddrsOf(DoH)[0].String()
	text := base64.RawURLEncoding.EncodeToString(pkt)
	long := strings.Repeat("A", 6<<10)
	for _, c := range []struct {
		name, method, url, media string
		body                     []byte
		status                   int
	}{
		{"GET", "GET", at + "/dns-query?dns=" + text, "", nil, 200},
		{"GET with more parameters", "GET", at + "/dns-query?ct&dns=" + text + "&x=1", "", nil, 200},
		{"HEAD", "HEAD", at + "/dns-query?dns=" + text, "", nil, 200},
		{"POST", "POST", at + "/dns-query", dohType, pkt, 200},
		{"POST, the type in capitals with a parameter", "POST", at + "/dns-query", "Application/DNS-message; x=y", pkt, 200},
		{"another path", "GET", at + "/?dns=" + text, "", nil, 404},
		{"PUT", "PUT", at + "/dns-query", dohType, pkt, 405},
		{"no parameter", "GET", at + "/dns-query", "", nil, 400},
		{"padded base64", "GET", at + "/dns-query?dns=" + base64.URLEncoding.EncodeToString(pkt[:28]), "", nil, 400},
		{"no base64", "GET", at + "/dns-query?dns=%21", "", nil, 400},
		{"no query", "GET", at + "/dns-query?dns=AAAA", "", nil, 400},
		{"a long URL", "GET", at + "/dns-query?dns=" + long, "", nil, 414},
		{"a URL of 1 MiB", "GET", at + "/dns-query?dns=" + strings.Repeat("A", 1<<20), "", nil, 431},
		{"another type", "POST", at + "/dns-query", "application/json", pkt, 415},
		{"no type", "POST", at + "/dns-query", "", pkt, 415},
		{"a large body", "POST", at + "/dns-query", dohType, make([]byte, maxFrame+1), 413},
		{"an empty body", "POST", at + "/dns-query", dohType, nil, 400},
	} {
		for _, version2 := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s h2=%v", c.name, version2), func(t *testing.T) {
				req, err := http.NewRequest(c.method, c.url, bytes.NewReader(c.body))
				if err != nil {
					t.Fatal(err)
				}
				if c.media != "" {
					req.Header.Set("Content-Type", c.media)
				}
				resp, err := s.http(t, version2).Do(req)
				if err != nil && c.status == 431 && version2 {
					return // HTTP/2 may also end the stream or the connection
				}
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != c.status || c.status == 405 && resp.Header.Get("Allow") == "" {
					t.Errorf("%s, want %d", resp.Status, c.status)
				}
			})
		}
	}
}

// A body without a length is cut off at the limit.
func TestDoHChunkedBody(t *testing.T) {
	s := startSecure(t, Options{})
	req, err := http.NewRequest("POST", s.url(nil), io.MultiReader(bytes.NewReader(make([]byte, 64<<10))))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", dohType)
	resp, err := s.http(t, false).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 413 {
		t.Error(resp.Status)
	}
}

func TestDoHCacheControl(t *testing.T) {
	s := startSecure(t, Options{})
	for line, want := range map[string]string{
		"static.example.com A":                       "private, max-age=300",
		"www.example.com A":                          "private, max-age=30",
		"www.example.com A +subnet=81.2.3.0/24":      "max-age=30",
		"alias.example.com A":                        "private, max-age=30", // CNAME 300, addresses 30
		"nothing.example.com A":                      "private, max-age=300",
		"static.example.com MX":                      "private, max-age=300",
		"example.com SOA":                            "private, max-age=3600",
		"example.net A":                              "no-store", // REFUSED
		"down.example.com A +subnet=198.51.100.0/24": "max-age=30",
	} {
		pkt, _ := query(t, line)
		resp, err := s.http(t, true).Get(s.url(pkt))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Cache-Control"); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// TestFreshness compares with the library's reading of the same replies.
func TestFreshness(t *testing.T) {
	r, c := testResponder(t, testWorld(nil))
	for _, h := range hits {
		pkt, tr := query(t, h.query)
		reply := r.Respond(nil, pkt, london, tr, c)
		m := new(dns.Msg)
		if err := m.Unpack(reply); err != nil {
			t.Fatal(err)
		}
		want, ok := uint32(1<<31), false
		for _, rr := range m.Answer {
			want, ok = min(want, rr.Header().Ttl), true
		}
		for _, rr := range m.Ns {
			if soa, is := rr.(*dns.SOA); is && len(m.Answer) == 0 {
				want, ok = min(soa.Hdr.Ttl, soa.Minttl), true
			}
		}
		got, fresh := freshness(reply)
		if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
			ok = false
		}
		if fresh != ok || ok && got != want {
			t.Errorf("%s: %d %v, want %d %v", h.query, got, fresh, want, ok)
		}
	}
}
