package tsig

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const secretText = "c3RlZXJkbnMtdHNpZy10ZXN0LXNlY3JldC0wMTIzNDU2Nzg5"

var now = time.Unix(1_780_000_000, 0)

func ring(t testing.TB, algorithm string) *Ring {
	t.Helper()
	r, problems := Parse(fmt.Appendf(nil, "key \"Backup.Example\" { algorithm %s; secret %q; };\n", algorithm, secretText))
	if problems != nil {
		t.Fatal(problems)
	}
	return r
}

// signedQuery is a query signed by another implementation, and where its TSIG
// record begins.
func signedQuery(t testing.TB, algorithm, secret string, at time.Time) (query []byte, off int, mac string) {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion("www.example.com.", dns.TypeAXFR)
	m.Id = 4242 // the same in every process of a fuzzer
	m.SetEdns0(1232, true)
	plain, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	m.SetTsig("backup.example.", algorithm+".", 300, at.Unix())
	query, mac, err = dns.TsigGenerate(m, secret, "", false)
	if err != nil {
		t.Fatal(err)
	}
	return query, len(plain), mac
}

var names = []string{"hmac-sha256", "hmac-sha384", "hmac-sha512"}

// Another implementation verifies a sequence of our replies to its query.
func TestInteroperates(t *testing.T) {
	for _, algorithm := range names {
		r := ring(t, algorithm)
		query, off, mac := signedQuery(t, algorithm, secretText, time.Now())
		tx := r.Verify(query, off, time.Now())
		if tx == nil || tx.Fault() != 0 || tx.Key() == nil || tx.Key().Name() != "\x06backup\x07example\x00" {
			t.Fatalf("%s: %+v", algorithm, tx)
		}
		for i := range 3 {
			reply := new(dns.Msg)
			reply.SetQuestion("www.example.com.", dns.TypeAXFR)
			reply.Response = true
			plain, err := reply.Pack()
			if err != nil {
				t.Fatal(err)
			}
			dst := append([]byte("before"), plain...)
			want := len(dst) + tx.Len()
			dst = tx.Sign(dst, len("before"), time.Now())
			if len(dst) != want {
				t.Errorf("%s: signing added %d octets, not %d", algorithm, len(dst)-len(plain)-6, tx.Len())
			}
			signed := dst[len("before"):]
			if err := dns.TsigVerify(bytes.Clone(signed), secretText, mac, i > 0); err != nil {
				t.Fatalf("%s: reply %d: %v", algorithm, i, err)
			}
			m := new(dns.Msg)
			if err := m.Unpack(signed); err != nil {
				t.Fatal(err)
			}
			mac = m.IsTsig().MAC
		}
	}
}

func TestFaults(t *testing.T) {
	r := ring(t, "hmac-sha256")
	other := base64.StdEncoding.EncodeToString([]byte("another secret of thirty-two octe"))
	for name, c := range map[string]struct {
		algorithm, secret string
		at                time.Time
		change            func(query []byte, off int) []byte
		want              Fault
	}{
		"good":            {at: now},
		"slow clock":      {at: now.Add(-300 * time.Second)},
		"fast clock":      {at: now.Add(300 * time.Second)},
		"too old":         {at: now.Add(-301 * time.Second), want: BadTime},
		"too new":         {at: now.Add(301 * time.Second), want: BadTime},
		"wrong secret":    {secret: other, at: now, want: BadSig},
		"wrong, and old":  {secret: other, at: now.Add(-time.Hour), want: BadSig},
		"other algorithm": {algorithm: "hmac-sha512", at: now, want: BadKey},
		"unknown key":     {at: now, want: BadKey, change: func(q []byte, off int) []byte { q[off+1] ^= 1; return q }},
		"changed name":    {at: now, want: BadSig, change: func(q []byte, _ int) []byte { q[14] ^= 1; return q }},
		"capital name":    {at: now, change: func(q []byte, off int) []byte { q[off+1] -= 32; return q }},
		"other id":        {at: now, change: func(q []byte, _ int) []byte { q[0] ^= 1; return q }}, // a forwarder's
		"short MAC":       {at: now, want: BadTrunc, change: shorten(16)},
		"short wrong MAC": {at: now.Add(-time.Hour), secret: other, want: BadSig, change: shorten(16)},
	} {
		t.Run(name, func(t *testing.T) {
			if c.algorithm == "" {
				c.algorithm = "hmac-sha256"
			}
			if c.secret == "" {
				c.secret = secretText
			}
			query, off, mac := signedQuery(t, c.algorithm, c.secret, c.at)
			if c.change != nil {
				query = c.change(query, off)
			}
			tx := r.Verify(query, off, now)
			if tx == nil || tx.Fault() != c.want || (tx.Key() != nil) != (c.want == 0) {
				t.Fatalf("got %+v, want fault %d", tx, c.want)
			}
			checkReply(t, tx, mac, c.want)
		})
	}
}

func shorten(size int) func([]byte, int) []byte {
	return func(q []byte, off int) []byte {
		macAt := off + 16 + 10 + 13 + 10 // key, fixed part, algorithm, before the MAC
		binary.BigEndian.PutUint16(q[off+16+8:], uint16(13+10+size+6))
		binary.BigEndian.PutUint16(q[macAt-2:], uint16(size))
		return append(q[:macAt+size], q[macAt+32:]...)
	}
}

// checkReply wants the reply that RFC 8945 5.3.2 asks for.
func checkReply(t *testing.T, tx *Transaction, mac string, want Fault) {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion("www.example.com.", dns.TypeAXFR)
	m.Response, m.Rcode = true, dns.RcodeNotAuth
	plain, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	signed := tx.Sign(plain, 0, now)
	if err := m.Unpack(signed); err != nil {
		t.Fatal(err)
	}
	got := m.IsTsig()
	if got == nil || got.Error != uint16(want) {
		t.Fatalf("the reply's TSIG is %v, want error %d", got, want)
	}
	switch want {
	case BadKey, BadSig:
		if got.MACSize != 0 {
			t.Error("the reply is signed although the query's key cannot be trusted")
		}
	case BadTime:
		if got.OtherData != fmt.Sprintf("%012x", now.Unix()) || got.TimeSigned == uint64(now.Unix()) {
			t.Errorf("other data %q, time %d", got.OtherData, got.TimeSigned)
		}
		if mac != "" && !verifiesAt(signed, mac, int64(got.TimeSigned)) {
			t.Error("the client cannot verify what we say of its clock")
		}
	}
}

// verifiesAt verifies a reply with our own code, which lets the clock be given.
func verifiesAt(reply []byte, macHex string, at int64) bool {
	off := bytes.LastIndex(reply, []byte("\x06backup\x07example\x00"))
	rec, ok := readRecord(reply, off)
	var mac []byte
	fmt.Sscanf(macHex, "%x", &mac)
	k := &Key{name: rec.name, algorithm: algorithms[0]}
	k.secret, _ = base64.StdEncoding.DecodeString(secretText)
	h := k.mac()
	writeSized(h, mac)
	digest(h, reply, &rec)
	return ok && rec.time == uint64(at) && bytes.Equal(h.Sum(nil), rec.mac)
}

// Malformed records get no transaction, whatever is cut off or changed.
func TestMalformed(t *testing.T) {
	r := ring(t, "hmac-sha256")
	query, off, _ := signedQuery(t, "hmac-sha256", secretText, now)
	for n := off; n < len(query); n++ {
		if tx := r.Verify(query[:n], off, now); tx != nil {
			t.Fatalf("cut to %d octets: %+v", n, tx)
		}
	}
	if tx := r.Verify(append(bytes.Clone(query), 0), off, now); tx != nil {
		t.Error("octets behind the TSIG record were not noticed")
	}
	if tx := r.Verify(shorten(9)(bytes.Clone(query), off), off, now); tx != nil {
		t.Error("a MAC of 9 octets was not malformed")
	}
	if tx := (*Ring)(nil).Verify(query, off, now); tx == nil || tx.Fault() != BadKey {
		t.Error("without keys every key is unknown")
	}
}

// Our requests verify elsewhere, and replies from elsewhere verify here.
func TestRequests(t *testing.T) {
	key := ring(t, "hmac-sha384").Find("\x06backup\x07example\x00")
	m := new(dns.Msg)
	m.SetNotify("example.com.")
	plain, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	signed, request := key.Sign(plain, time.Now())
	if err := dns.TsigVerify(bytes.Clone(signed), secretText, "", false); err != nil {
		t.Fatal(err)
	}
	if err := m.Unpack(signed); err != nil {
		t.Fatal(err)
	}
	mac := m.IsTsig().MAC
	reply := func(secret string, change func(*dns.TSIG)) ([]byte, int) {
		a := new(dns.Msg)
		a.SetReply(m)
		a.Extra = nil
		bare, err := a.Pack()
		if err != nil {
			t.Fatal(err)
		}
		a.SetTsig("backup.example.", "hmac-sha384.", 300, time.Now().Unix())
		change(a.IsTsig())
		out, _, err := dns.TsigGenerate(a, secret, mac, false)
		if err != nil {
			t.Fatal(err)
		}
		return out, len(bare)
	}
	good, at := reply(secretText, func(*dns.TSIG) {})
	if err := request.Verify(good, at, time.Now()); err != nil {
		t.Error(err)
	}
	for name, bad := range map[string]func() ([]byte, int){
		"unsigned": func() ([]byte, int) { return good[:at], 0 },
		"forged":   func() ([]byte, int) { b := bytes.Clone(good); b[3] ^= 1; return b, at },
		"secret": func() ([]byte, int) {
			return reply(base64.StdEncoding.EncodeToString(make([]byte, 32)), func(*dns.TSIG) {})
		},
		"old": func() ([]byte, int) { return reply(secretText, func(r *dns.TSIG) { r.TimeSigned -= 1000 }) },
	} {
		if b, at := bad(); request.Verify(b, at, time.Now()) == nil {
			t.Errorf("%s: the reply was believed", name)
		}
	}
}

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		keys int
		want []string // line: message (fix)
	}{
		"bind": {text: "# made by tsig-keygen\nkey \"a.example\" {\n\talgorithm hmac-sha256;\n\tsecret \"" + secretText + "\";\n};\n" +
			"/* and */ key b { secret " + secretText + "; algorithm hmac-sha512; }; // twice\n", keys: 2},
		"knot": {text: "# hmac-sha256:a:" + secretText + "\nkey:\n  - id: a.example.\n    algorithm: hmac-sha256\n    secret: " + secretText + "\n" +
			"  - id: b\n    algorithm: hmac-sha384\n    secret: \"" + secretText + "\"\n", keys: 2},
		"empty":     {text: "# nothing\n", want: []string{"1: there is no key in the file (write one with: tsig-keygen NAME, or keymgr -t NAME)"}},
		"weak":      {text: "key:\n  - id: a\n    algorithm: hmac-md5\n    secret: aGVsbG8=\n", want: []string{`2: key "a" has the algorithm "hmac-md5" (use hmac-sha256, hmac-sha384 or hmac-sha512)`, `2: key "a": the secret has 5 octets, fewer than 16 (make a new one with tsig-keygen or keymgr -t)`}},
		"twice":     {text: "key:\n- id: a\n  algorithm: hmac-sha256\n  secret: " + secretText + "\n- id: A.\n  algorithm: hmac-sha256\n  secret: " + secretText + "\n", want: []string{`5: the key "A." is given twice (keep one of them)`}},
		"name":      {text: "key \"a b\" { algorithm hmac-sha256; secret \"" + secretText + "\"; };", want: []string{`1: the key's name is "a b" (use letters, digits, - and _ in labels of at most 63)`}},
		"semicolon": {text: "key a {\n algorithm hmac-sha256\n secret \"" + secretText + "\"; };", want: []string{`3: want a semicolon here (write it as tsig-keygen does: key "NAME" { algorithm hmac-sha256; secret "BASE64"; };)`}},
		"cut":       {text: "key a {\n", want: []string{`1: want algorithm or secret with its value, or } here (write it as tsig-keygen does: key "NAME" { algorithm hmac-sha256; secret "BASE64"; };)`}},
		"knot line": {text: "key:\n  - id: a\n    algorithm: hmac-sha256\n    secrets: " + secretText + "\n", want: []string{"4: this line is none of id, algorithm and secret of a key (write it as keymgr -t NAME does)", `2: key "a": the secret is missing or no base64 (write it in base64)`}},
	} {
		t.Run(name, func(t *testing.T) {
			r, problems := Parse([]byte(c.text))
			var got []string
			for _, p := range problems {
				got = append(got, fmt.Sprintf("%d: %s (%s)", p.Line, p.Message, p.Fix))
			}
			if r.Len() != c.keys || strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("%d keys, problems:\n%s\nwant %d and:\n%s", r.Len(), strings.Join(got, "\n"), c.keys, strings.Join(c.want, "\n"))
			}
		})
	}
}

// No way of printing a key tells its secret.
func TestKeysKeepTheirSecret(t *testing.T) {
	key := ring(t, "hmac-sha256").Find("\x06backup\x07example\x00")
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if got := fmt.Sprintf(format, key); !strings.Contains(got, "hmac-sha256:backup.example.") || strings.Contains(got, "steerdns-tsig") {
			t.Errorf("%s prints %s", format, got)
		}
	}
}

// FuzzVerify: whatever a message holds, it ends without a crash, only the
// right secret makes a key speak, and every reply that is due can be signed.
func FuzzVerify(f *testing.F) {
	query, off, _ := signedQuery(f, "hmac-sha256", secretText, now)
	f.Add(query, uint16(off))
	f.Add(shorten(16)(bytes.Clone(query), off), uint16(off))
	f.Add(query[:off+20], uint16(off))
	f.Add([]byte(nil), uint16(0))
	keys := ring(f, "hmac-sha256")
	reply := make([]byte, headerLen, 512)
	f.Fuzz(func(t *testing.T, msg []byte, off uint16) {
		before := bytes.Clone(msg)
		tx := keys.Verify(msg, int(off), now)
		if !bytes.Equal(before, msg) {
			t.Fatal("verifying changed the message")
		}
		if tx == nil {
			return
		}
		if tx.Key() != nil && !bytes.Equal(msg[headerLen:], query[headerLen:]) && !sameButCase(msg, query, int(off)) {
			t.Fatalf("a message that nobody signed was believed: %x", msg)
		}
		want := len(reply) + tx.Len()
		if got := tx.Sign(reply, 0, now); len(got) != want {
			t.Fatalf("signing made %d octets, not %d", len(got), want)
		}
		clear(reply)
	})
}

// sameButCase: names in the TSIG record are signed in lower case, and the
// owner's compression is not signed.
func sameButCase(a, b []byte, off int) bool {
	if off > len(a) || off > len(b) || !bytes.Equal(a[headerLen:off], b[headerLen:off]) {
		return false
	}
	x, okA := readRecord(a, off)
	y, okB := readRecord(b, off)
	return okA && okB && x.name == y.name && x.algorithm == y.algorithm && bytes.Equal(x.mac, y.mac) && x.time == y.time
}

func FuzzParse(f *testing.F) {
	f.Add("key a { algorithm hmac-sha256; secret \"" + secretText + "\"; };")
	f.Add("key:\n  - id: a\n    algorithm: hmac-sha256\n    secret: " + secretText + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, problems := Parse([]byte(text))
		if (r.Len() > 0) != (len(problems) == 0) {
			t.Fatalf("%d keys and %d problems", r.Len(), len(problems))
		}
	})
}
