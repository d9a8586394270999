package admin

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Tokens is who may report what. Immutable.
type Tokens struct{ grants []grant }

// grant lets the holder of a token report what lies at or below a name.
type grant struct {
	name  string            // service, service/region or service/region/address
	token [sha256.Size]byte // its digest
}

// minToken is the shortest token, in bytes.
const minToken = 16

// ParseTokens reads lines of a name and a token between blanks. The name is an
// endpoint (service/region/address), or a service/region or service with all
// its endpoints, in any notation that grantName knows. A name may stand on
// several lines, so that tokens can be exchanged. Empty lines and those that begin with "#" say nothing. The error
// names file, line and what to do, and never a token.
func ParseTokens(file string, text []byte) (*Tokens, error) {
	var t Tokens
	var problems []error
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(lines.Text())
		name, isName := "", false
		if len(words) > 0 {
			name, isName = grantName(words[0])
		}
		switch {
		case len(words) == 0 || strings.HasPrefix(words[0], "#"):
		case len(words) != 2:
			problems = append(problems, fmt.Errorf("%s:%d: want a name and a token, got %d words", file, n, len(words)))
		case !isName:
			problems = append(problems, fmt.Errorf("%s:%d: the first word is not the name of an endpoint, a region of a service or a service (write www.example.com/us-east/192.0.2.1, www.example.com/us-east or www.example.com)", file, n)) // not the word: it may be the token
		case len(words[1]) < minToken:
			problems = append(problems, fmt.Errorf("%s:%d: the token has fewer than %d characters (make one: openssl rand -hex 24)", file, n, minToken))
		default:
			t.grants = append(t.grants, grant{name, sha256.Sum256([]byte(words[1]))})
		}
	}
	if err := lines.Err(); err != nil {
		problems = append(problems, fmt.Errorf("%s: %w", file, err))
	}
	return &t, errors.Join(problems...)
}

// grantName writes a name as endpoints are called: in lower case, the domain
// names without their final dot, the address in its shortest form.
func grantName(s string) (string, bool) {
	const plain = "abcdefghijklmnopqrstuvwxyz0123456789-_."
	parts := strings.Split(strings.TrimSuffix(strings.ToLower(s), "/"), "/")
	for i, part := range parts {
		a, err := netip.ParseAddr(part)
		switch {
		case i == 2 && err == nil && a.Zone() == "":
			parts[i] = a.Unmap().String()
			continue
		case i != 1:
			parts[i] = strings.TrimSuffix(part, ".")
		}
		if i > 2 || parts[i] == "" || strings.Trim(parts[i], plain) != "" {
			return "", false
		}
	}
	return strings.Join(parts, "/"), true
}

// Allow reports whether the token is for the endpoint. It takes as long for a
// wrong token as for a right one: digests are compared, and all of them.
func (t *Tokens) Allow(endpoint, token string) bool {
	digest := sha256.Sum256([]byte(token))
	allowed := 0
	for _, g := range t.grants {
		if g.name == endpoint || strings.HasPrefix(endpoint, g.name+"/") {
			allowed |= subtle.ConstantTimeCompare(g.token[:], digest[:])
		}
	}
	return allowed == 1
}

const maxTokenFile = 1 << 20

func readTokens(file string) (*Tokens, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("push tokens: %w", err)
	}
	if info.Size() > maxTokenFile {
		return nil, fmt.Errorf("push tokens: %s has more than %d bytes", file, maxTokenFile)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("push tokens: %w", err)
	}
	return ParseTokens(file, text)
}

func readPair(cert, key string) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("push certificate: %w", err)
	}
	return &pair, nil
}

// watched is what files hold, read again when they change. look belongs to one
// goroutine; current may be read by all.
type watched[T any] struct {
	files   []string
	load    func() (*T, error)
	current atomic.Pointer[T]
	stamp   string
}

// look reads the files if they are others than before. After an error what
// was read before stays, and the error is not said again until they change.
func (w *watched[T]) look() (changed bool, err error) {
	stamp := stampOf(w.files)
	if stamp == w.stamp {
		return false, nil
	}
	w.stamp = stamp
	value, err := w.load()
	if err != nil {
		return false, err
	}
	w.current.Store(value)
	return true, nil
}

func stampOf(files []string) string {
	stamp := ""
	for _, name := range files {
		if info, err := os.Stat(name); err == nil {
			stamp += fmt.Sprint(info.ModTime().UnixNano(), info.Size(), ";")
		} else {
			stamp += "missing;"
		}
	}
	return stamp
}

// limiter caps the reports of each endpoint in a second. What it holds ends
// with the second.
type limiter struct {
	mu     sync.Mutex
	second int64
	counts map[string]int
}

const maxReportsInAll = 20_000 // a second, over all endpoints

func (l *limiter) take(id string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := now.Unix(); s != l.second || l.counts == nil {
		l.second, l.counts = s, map[string]int{}
	}
	if l.counts[id] >= reportsASecond || len(l.counts) >= maxReportsInAll {
		return false
	}
	l.counts[id]++
	return true
}
