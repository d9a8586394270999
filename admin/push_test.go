package admin

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

const (
	endpointA = "www.gslb.example.com/us-east/192.0.2.1"
	endpointB = "www.gslb.example.com/eu-west/2001:db8::1"
	tokenA    = "token-of-endpoint-a"
	tokenW    = "token-of-the-service"
)

// fakeReporter knows the endpoints A and B.
type fakeReporter map[string]healthcheck.Report

func (f fakeReporter) Report(id string, r healthcheck.Report) (time.Duration, error) {
	if id != endpointA && id != endpointB {
		return 0, healthcheck.ErrNoReport
	}
	f[id] = r
	return 30 * time.Second, nil
}

func pushServer(t *testing.T) (*PushServer, fakeReporter, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tokens")
	writeFile(t, file, "# who\n"+endpointA+"  "+tokenA+"\nwww.gslb.example.com. "+tokenW+"\n")
	heard := fakeReporter{}
	s, err := NewPushServer(PushOptions{Reporter: heard, Tokens: file, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s, heard, file
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func put(s *PushServer, path, token, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPut, "/v1/report/"+path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

func TestPush(t *testing.T) {
	for _, c := range []struct {
		name, endpoint, token, body string
		status                      int
		want                        healthcheck.Report
	}{
		{"nothing said", endpointA, tokenA, "", 200, healthcheck.Report{Up: true}},
		{"all said", endpointA, tokenA, `{"up": false, "reason": "disk", "load": 40}`, 200, healthcheck.Report{Reason: "disk", Load: 40}},
		{"up by default", endpointA, tokenA, `{"load": 100}`, 200, healthcheck.Report{Up: true, Load: 100}},
		{"by the service's token", endpointB, tokenW, "{}", 200, healthcheck.Report{Up: true}},
		{"no token", endpointA, "", "", 401, healthcheck.Report{}},
		{"another token", endpointA, tokenA + "x", "", 401, healthcheck.Report{}},
		{"another's token", endpointB, tokenA, "", 401, healthcheck.Report{}},
		{"below the token's endpoint", endpointA + "0", tokenA, "", 401, healthcheck.Report{}},
		{"beside the service", "www.gslb.example.com.evil/us-east/192.0.2.1", tokenW, "", 401, healthcheck.Report{}},
		{"no such endpoint", "www.gslb.example.com/us-east/192.0.2.9", tokenW, "", 404, healthcheck.Report{}},
		{"not JSON", endpointA, tokenA, "up", 400, healthcheck.Report{}},
		{"unknown field", endpointA, tokenA, `{"state": "up"}`, 400, healthcheck.Report{}},
		{"a second value", endpointA, tokenA, `{"up": true}{"up": false}`, 400, healthcheck.Report{}},
		{"more behind it", endpointA, tokenA, `{"up": false} garbage`, 400, healthcheck.Report{}},
		{"a line end behind it", endpointA, tokenA, "{\"up\": false}\r\n", 200, healthcheck.Report{}},
		{"too much load", endpointA, tokenA, `{"load": 101}`, 400, healthcheck.Report{}},
		{"too long", endpointA, tokenA, `{"reason": "` + strings.Repeat("x", maxReport) + `"}`, 400, healthcheck.Report{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, heard, _ := pushServer(t)
			w := put(s, c.endpoint, c.token, c.body)
			if w.Code != c.status {
				t.Errorf("status %d, want %d: %s", w.Code, c.status, w.Body)
			}
			if got, ok := heard[c.endpoint]; ok != (c.status == 200) || got != c.want {
				t.Errorf("heard %+v (%v), want %+v", got, ok, c.want)
			}
			if c.status == 200 && !strings.Contains(w.Body.String(), `"ttl_seconds": 30`) {
				t.Errorf("answer %s", w.Body)
			}
		})
	}
}

// TestPushRate: more than ten a second of one endpoint are refused, and do not
// touch another's.
func TestPushRate(t *testing.T) {
	var l limiter
	at := time.Unix(1000, 0)
	for i := range 25 {
		if got := l.take("a", at); got != (i < reportsASecond) {
			t.Errorf("report %d of a second: %v", i+1, got)
		}
	}
	if !l.take("b", at) || !l.take("a", at.Add(time.Second)) {
		t.Error("another endpoint, or the next second, is refused")
	}
	for i := range 3 * maxReportsInAll {
		l.take(strings.Repeat("x", 1+i%7)+time.Duration(i).String(), at)
	}
	if len(l.counts) > maxReportsInAll {
		t.Errorf("the limiter holds %d endpoints", len(l.counts))
	}
}

// TestPushTokensFollowTheFile: a new file counts, a bad one does not.
func TestPushTokensFollowTheFile(t *testing.T) {
	s, _, file := pushServer(t)
	writeFile(t, file, endpointA+" another-long-token\n")
	s.lookAgain()
	if w := put(s, endpointA, tokenA, ""); w.Code != 401 {
		t.Errorf("the old token: %d", w.Code)
	}
	if w := put(s, endpointA, "another-long-token", ""); w.Code != 200 {
		t.Errorf("the new token: %d", w.Code)
	}
	writeFile(t, file, endpointA+" short\n")
	s.lookAgain()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	s.lookAgain()
	if w := put(s, endpointA, "another-long-token", ""); w.Code != 200 {
		t.Errorf("the token of before, after a bad file and none: %d", w.Code)
	}
	if got := s.Results(); got["accepted"] != 2 || got["unauthorized"] != 1 {
		t.Errorf("results %v", got)
	}
}

func TestParseTokens(t *testing.T) {
	_, err := ParseTokens("tokens", []byte("a b c\n\n#\nwww secret\nwww 0123456789abcdef\n"))
	want := "tokens:1: want a name and a token, got 3 words\n" +
		"tokens:4: the token has fewer than 16 characters (make one: openssl rand -hex 24)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Error("the error shows a token")
	}
	none, err := ParseTokens("tokens", nil)
	if err != nil || none.Allow("a", "") {
		t.Errorf("an empty file allows something, or is an error: %v", err)
	}
}

// TestTokenNames: a name in another notation is for the same endpoints; one that
// could never be for any is refused, and not shown: it may be a token.
func TestTokenNames(t *testing.T) {
	for name, endpoint := range map[string]string{
		"WWW.gslb.Example.com/us-east/192.0.2.1":      endpointA,
		"www.gslb.example.com./us-east/192.0.2.1":     endpointA,
		"www.gslb.example.com./US-East":               endpointA,
		"www.gslb.example.com/us-east/":               endpointA,
		"www.gslb.example.com/":                       endpointA,
		"www.gslb.example.com/eu-west/2001:DB8:0::1/": endpointB,
		"www.gslb.example.com/us-east/CDN.example.":   "www.gslb.example.com/us-east/cdn.example",
		"/":                               "",
		".":                               "",
		"www.gslb.example.com//192.0.2.1": "",
		"www.gslb.example.com/us-east/192.0.2.1/x":       "",
		"www.gslb.example.com/us-east/192.0.2.1:80":      "",
		"www.gslb.example.com/us-east/fe80::1%eth0":      "",
		"https://www.gslb.example.com/us-east/192.0.2.1": "",
		"*.gslb.example.com":                             "",
	} {
		tokens, err := ParseTokens("tokens", []byte("\n"+name+" "+tokenA+"\n"))
		switch {
		case endpoint != "" && (err != nil || !tokens.Allow(endpoint, tokenA)):
			t.Errorf("%s is not for %s: %v", name, endpoint, err)
		case endpoint == "" && (err == nil || !strings.HasPrefix(err.Error(), "tokens:2: the first word is not the name ") || strings.Contains(err.Error(), name+" ")):
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzTokens(f *testing.F) {
	f.Add("www 0123456789abcdef\n#\n", "www/x", "0123456789abcdef")
	f.Fuzz(func(t *testing.T, text, endpoint, token string) {
		tokens, err := ParseTokens("tokens", []byte(text))
		if err == nil && tokens.Allow(endpoint, token) && !strings.Contains(text, token) {
			t.Errorf("%q allows a token that is not in it", text)
		}
	})
}

func FuzzReport(f *testing.F) {
	f.Add(`{"up": true, "reason": "x", "load": 5}`)
	f.Fuzz(func(t *testing.T, body string) {
		rep, err := readReport(strings.NewReader(body))
		if err == nil && rep.Load > 100 || err != nil && rep != (healthcheck.Report{}) {
			t.Errorf("%q: %+v, %v", body, rep, err)
		}
	})
}

func TestPushRefusesBadFiles(t *testing.T) {
	_, err := NewPushServer(PushOptions{Tokens: "nowhere", Cert: "nowhere", Key: "nowhere"})
	if err == nil || !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "push certificate") {
		t.Errorf("missing files: %v", err)
	}
}

func TestBlindInstancesAreNoted(t *testing.T) {
	m := newMemory()
	p := *m.Picture()
	p.Ballots = append([]regions.Ballot(nil), p.Ballots...)
	p.Ballots = append(p.Ballots, regions.Ballot{Instance: "east-9", Region: "us-east", Blind: true})
	notes := strings.Join(MakeStatus(m.World(), &p, m.Facts()).Notes, "\n")
	if !strings.Contains(notes, "instance east-9 suspects itself") || strings.Count(notes, "suspects itself") != 1 {
		t.Errorf("notes:\n%s", notes)
	}
}
