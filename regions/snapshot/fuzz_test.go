package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/regionstest"
)

// Any world comes back from a file's bytes deciding as it did.
func TestWorldsSurviveTheFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := regionstest.Input(t)
		w := regions.Judge(in)
		file, err := encode(Of("us-east-1", w, nil))
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(file)
		if err != nil {
			t.Fatal(err)
		}
		again := regions.Judge(regions.Input{Topology: in.Topology, Previous: regions.Recall(got.Restored(), in.Topology), Now: in.Now})
		if again.Epoch != w.Epoch || again.Revision != w.Revision || again.Cluster != w.Cluster || !again.Ready {
			t.Fatalf("epoch %s came back as %s", w.Epoch, again.Epoch)
		}
	})
}

// FuzzLoad gives the reader of files any bytes, and any body under a right
// header, so that the fuzzer gets past the checksum. What is read must be fit
// to be written.
func FuzzLoad(f *testing.F) {
	whole, err := encode(Snapshot{SavedAt: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Revision: 5})
	if err != nil {
		f.Fatal(err)
	}
	_, body, _ := bytes.Cut(whole, []byte("\n"))
	f.Add(whole, false)
	f.Add(body, true)
	f.Add([]byte(`{"saved_at":"2026-03-01T00:00:00Z","regions":{"a":{"state":"down","held":true}},"overrides":[{"kind":"region","name":"a","expires":"2026-03-01T00:00:00Z"}]}`), true)
	f.Add([]byte(magic+" 1 0 0\n"), false)
	f.Add([]byte("null"), true)
	f.Fuzz(func(t *testing.T, data []byte, sealed bool) {
		if sealed {
			sum := sha256.Sum256(data)
			data = append(fmt.Appendf(nil, "%s %d %s %d\n", magic, version, hex.EncodeToString(sum[:]), len(data)), data...)
		}
		s, err := decode(data)
		if err != nil {
			return
		}
		s.Restored()
		if _, err := encode(s); err != nil {
			t.Fatalf("read, but cannot be written: %v", err)
		}
	})
}
