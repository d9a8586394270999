package dnsserver

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/steerdns/steerdns/dnsserver/wire"
)

// CookieOptions are about DNS cookies (RFC 7873, RFC 9018).
type CookieOptions struct {
	Secrets *CookieSecrets // shared by the fleet; nil: a random one
	Require bool           // BADCOOKIE for UDP clients that send a cookie but no valid one
}

// The life of a server cookie in seconds (RFC 9018 4.3).
const (
	cookieOld    = 30 * 60 // older ones are renewed
	cookieTooOld = 60 * 60
	cookieFuture = 5 * 60 // for clocks that differ
)

// cookieVersion is the only construction of server cookies that is
// standardised (RFC 9018 4).
const cookieVersion = 1

// CookieSecrets make and verify server cookies (RFC 9018): the first one
// makes them, all verify. Immutable.
type CookieSecrets struct{ keys []sipKey }

// maxCookieSecrets is one that signs and one that is coming or going
// (RFC 9018 5).
const maxCookieSecrets = 2

const cookieSecretLen = 16

// ParseCookieSecrets reads one secret of 32 hexadecimal digits a line, the one
// that signs first, two at most. Empty lines and what follows a # do not count.
func ParseCookieSecrets(text []byte) (*CookieSecrets, error) {
	s := &CookieSecrets{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		word, _, _ := strings.Cut(lines.Text(), "#")
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		key, err := hex.DecodeString(word)
		if err != nil || len(key) != cookieSecretLen {
			return nil, fmt.Errorf("line %d: not a secret of 32 hexadecimal digits; make one with `openssl rand -hex 16`", n)
		}
		s.keys = append(s.keys, newSipKey([cookieSecretLen]byte(key)))
	}
	switch {
	case lines.Err() != nil:
		return nil, lines.Err()
	case len(s.keys) == 0:
		return nil, errors.New("no secret in it; make one with `openssl rand -hex 16`")
	case len(s.keys) > maxCookieSecrets:
		return nil, fmt.Errorf("%d secrets; keep the one that signs and the one that is coming or going", len(s.keys))
	case len(s.keys) == 2 && s.keys[0] == s.keys[1]:
		return nil, errors.New("the same secret twice; remove one")
	}
	return s, nil
}

// randomCookieSecrets serve an instance that was given none: its cookies hold
// until it ends, and nowhere else.
func randomCookieSecrets() *CookieSecrets {
	var key [cookieSecretLen]byte
	rand.Read(key[:]) // never fails
	return &CookieSecrets{keys: []sipKey{newSipKey(key)}}
}

func newSipKey(b [cookieSecretLen]byte) sipKey {
	return sipKey{binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])}
}

// cookieState is what the cookie of a query says of its client.
type cookieState uint8

const (
	cookieNone  cookieState = iota // no cookie
	cookieNew                      // the client has none of ours yet
	cookieBad                      // not of ours, or out of date
	cookieValid                    // the client gets what is sent to its address
	cookieStates
)

var cookieStateNames = [cookieStates]string{"none", "new", "bad", "valid"}

// serverCookie is a server cookie of version 1: version, three reserved
// octets, the time it was made in seconds, and a hash (RFC 9018 4).
type serverCookie [16]byte

// answer judges the cookie of a query and returns the one to reply with; now
// is in Unix seconds. A valid one is returned as long as it is young and of
// the first secret.
func (s *CookieSecrets) answer(c *wire.Cookie, client netip.Addr, now uint32) (cookieState, serverCookie) {
	if !c.Present {
		return cookieNone, serverCookie{}
	}
	state := cookieNew
	if c.Server != nil {
		var renew bool
		if state, renew = s.verify(c, client, now); state == cookieValid && !renew {
			return cookieValid, serverCookie(c.Server)
		}
	}
	return state, s.make(c, client, now)
}

func (s *CookieSecrets) make(c *wire.Cookie, client netip.Addr, now uint32) (out serverCookie) {
	out[0] = cookieVersion
	binary.BigEndian.PutUint32(out[4:], now)
	binary.LittleEndian.PutUint64(out[8:], s.keys[0].cookieHash(&c.Client, out[:8], client))
	return out
}

// verify tells whether a server cookie is valid, and then whether it should be
// renewed. Times are compared by serial arithmetic (RFC 1982).
func (s *CookieSecrets) verify(c *wire.Cookie, client netip.Addr, now uint32) (state cookieState, renew bool) {
	if len(c.Server) != len(serverCookie{}) || c.Server[0] != cookieVersion {
		return cookieBad, false
	}
	age := int32(now - binary.BigEndian.Uint32(c.Server[4:]))
	if age > cookieTooOld || age < -cookieFuture {
		return cookieBad, false
	}
	want := binary.LittleEndian.Uint64(c.Server[8:])
	for i, k := range s.keys {
		if k.cookieHash(&c.Client, c.Server[:8], client) == want {
			return cookieValid, i > 0 || age > cookieOld
		}
	}
	return cookieBad, false
}

// cookieHash is the hash over client cookie, version, reserved octets, time
// and client address (RFC 9018 4.4).
func (k sipKey) cookieHash(own *[8]byte, head []byte, client netip.Addr) uint64 {
	words := [5]uint64{binary.LittleEndian.Uint64(own[:]), binary.LittleEndian.Uint64(head)}
	if client.Is4() {
		a := client.As4()
		words[2] = uint64(binary.LittleEndian.Uint32(a[:])) | 20<<56
		return k.sum(words[:3])
	}
	a := client.As16()
	words[2], words[3] = binary.LittleEndian.Uint64(a[:]), binary.LittleEndian.Uint64(a[8:])
	words[4] = 32 << 56
	return k.sum(words[:5])
}

// readCookie judges the query's cookie, whatever the transport, and has one
// ready for the reply.
func (r *Responder) readCookie(a *asked) {
	if a.q.EDNS.Cookie.Present {
		a.cookie, a.server = r.cookies.Load().answer(&a.q.EDNS.Cookie, a.client, uint32(a.c.now()/1e9))
		a.c.cookies[a.cookie].add(1, a.c.shared())
	}
}

// wantsBetterCookie tells whether the reply is BADCOOKIE: to a bad cookie
// without a question (RFC 7873 5.4), and to UDP clients that speak cookies but
// have no valid one where that is configured (RFC 7873 5.2.3).
func (r *Responder) wantsBetterCookie(a *asked) bool {
	switch a.cookie {
	case cookieNone, cookieValid:
		return false
	case cookieBad:
		if a.status == wire.CookieOnly {
			return true
		}
	}
	return r.requireCookies && a.tr == UDP && a.status == wire.OK
}

// SetCookieSecrets replaces what server cookies are made and verified with. It
// may be called at any time; nil stands for a new random secret.
func (r *Responder) SetCookieSecrets(s *CookieSecrets) {
	if s == nil {
		s = randomCookieSecrets()
	}
	r.cookies.Store(s)
}
