package dnstap

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// dump writes a protobuf message as "field=value" words; bytes are written
// out, and read as a message where nested says so.
func dump(t *testing.T, b []byte, nested protowire.Number) string {
	t.Helper()
	var words []string
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatalf("tag: %v", protowire.ParseError(n))
		}
		b = b[n:]
		var word string
		switch kind {
		case protowire.VarintType:
			v, m := protowire.ConsumeVarint(b)
			word, n = fmt.Sprint(v), m
		case protowire.Fixed32Type:
			v, m := protowire.ConsumeFixed32(b)
			word, n = fmt.Sprint(v), m
		case protowire.BytesType:
			v, m := protowire.ConsumeBytes(b)
			word, n = hex.EncodeToString(v), m
			if field == nested {
				word = "{" + dump(t, v, 0) + "}"
			}
		default:
			t.Fatalf("field %d has wire type %d", field, kind)
		}
		if n < 0 {
			t.Fatalf("field %d: %v", field, protowire.ParseError(n))
		}
		words, b = append(words, fmt.Sprintf("%d=%s", field, word)), b[n:]
	}
	return strings.Join(words, " ")
}

// TestMessages compares with dnstap.proto, field by field.
func TestMessages(t *testing.T) {
	src := Source{Identity: "id", Version: "v"}
	m := Message{Type: AuthQuery, Protocol: UDP, Client: netip.MustParseAddr("192.0.2.1"), Asked: time.Unix(1700000000, 5), Packet: []byte{0xab}}
	frame, scratch := src.Append(nil, nil, &m)
	if got, want := dump(t, frame, 14), "1=6964 2=76 14={1=1 2=1 3=1 4=c0000201 8=1700000000 9=5 10=ab} 15=1"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	m = Message{Type: AuthResponse, Protocol: DoQ, Client: netip.MustParseAddr("2001:db8::1"), Asked: time.Unix(1, 2), Answered: time.Unix(3, 4), Packet: []byte{0xcd}}
	frame, _ = (&Source{}).Append(frame[:0], scratch, &m)
	if got, want := dump(t, frame, 14), "14={1=2 2=2 3=7 4=20010db8000000000000000000000001 8=1 9=2 12=3 13=4 14=cd} 15=1"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

const start = "00000000 00000022 00000002 00000001 00000016 70726f746f6275663a646e737461702e446e73746170"

func octets(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFramesInAFile(t *testing.T) {
	var out bytes.Buffer
	w, err := NewWriter(&out, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Frame([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want := octets(t, start+"00000003 616263"+"00000000 00000004 00000003")
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("got  %x\nwant %x", out.Bytes(), want)
	}
}

// accept is a control frame ACCEPT with content types.
func accept(types ...string) []byte {
	var fields []byte
	for _, c := range types {
		fields = binary.BigEndian.AppendUint32(fields, 1)
		fields = binary.BigEndian.AppendUint32(fields, uint32(len(c)))
		fields = append(fields, c...)
	}
	b := binary.BigEndian.AppendUint32(make([]byte, 4), uint32(4+len(fields)))
	return append(binary.BigEndian.AppendUint32(b, 1), fields...)
}

func TestHandshake(t *testing.T) {
	for name, c := range map[string]struct {
		reply []byte
		want  string // of the error; "" none
	}{
		"ours":                {accept(contentType), ""},
		"ours among others":   {accept("other", contentType), ""},
		"another":             {accept("protobuf:other"), "does not accept"},
		"none":                {accept(), "does not accept"},
		"a field that is cut": {octets(t, "00000000 0000000c 00000001 00000001 00000fff"), "does not accept"},
		"another frame":       {octets(t, "00000000 00000004 00000003"), "control frame 3"},
		"too long":            {octets(t, "00000000 00010000 00000001"), "Frame Streams"},
		"too short":           {octets(t, "00000000 00000001 00000001"), "Frame Streams"},
		"no control frame":    {[]byte("HTTP/1.1 400 Bad Request\r\n"), "Frame Streams"},
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer ours.Close()
			go func() {
				defer theirs.Close()
				ready := make([]byte, 42)
				if n, _ := theirs.Read(ready); n != 42 || ready[11] != 4 {
					t.Errorf("not READY: %x", ready[:n])
				}
				theirs.Write(c.reply)
				theirs.Read(ready) // START
			}()
			_, err := NewWriter(ours, ours)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
