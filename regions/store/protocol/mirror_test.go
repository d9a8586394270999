package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/steerdns/steerdns/regions"
)

const testKeys = Keys("/t/")

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// ballotJSON is a good ballot with a sequence number.
func ballotJSON(instance string, seq int64) []byte {
	return fmt.Appendf(nil, `{"instance":%q,"region":"r","boot":"b","seq":%d,"beat":5000000000}`, instance, seq)
}

func ballotEntry(instance string, mod int64) Entry {
	return Entry{Key: testKeys.Votes(instance), Value: ballotJSON(instance, mod), Mod: mod}
}

func written(instance string, mod int64) Event { return Event{Entry: ballotEntry(instance, mod)} }

func deleted(instance string, mod int64) Event {
	return Event{Gone: true, Entry: Entry{Key: testKeys.Votes(instance), Mod: mod}}
}

// seqs is what a mirror holds: the ballots' sequence numbers by instance.
func seqs(m *mirror) map[string]uint64 {
	all := map[string]uint64{}
	for _, b := range m.picture().Ballots {
		all[b.Instance] = b.Seq
	}
	return all
}

func TestMirrorEvents(t *testing.T) {
	tests := []struct {
		name    string
		events  [][]Event
		want    map[string]uint64
		changed bool // by the last response
		relist  bool // asked for by the last response
	}{
		{"new", [][]Event{{written("b", 11)}}, map[string]uint64{"a": 10, "b": 11}, true, false},
		{"over", [][]Event{{written("a", 11)}}, map[string]uint64{"a": 11}, true, false},
		{"gone", [][]Event{{deleted("a", 11)}}, map[string]uint64{}, true, false},
		{"twice", [][]Event{{written("a", 11)}, {written("a", 11)}}, map[string]uint64{"a": 11}, false, false},
		{"gone twice", [][]Event{{deleted("a", 11)}, {deleted("a", 11)}}, map[string]uint64{}, false, false},
		{"before the list", [][]Event{{written("a", 9), deleted("a", 10)}}, map[string]uint64{"a": 10}, false, false},
		{"two of one revision in two responses", [][]Event{{written("b", 11)}, {written("c", 11)}}, map[string]uint64{"a": 10, "b": 11, "c": 11}, true, false},
		{"back in time, known", [][]Event{{written("a", 11)}, {written("a", 12)}, {written("a", 11)}}, map[string]uint64{"a": 12}, false, false},
		{"back in time, news", [][]Event{{written("a", 12)}, {written("b", 11)}}, map[string]uint64{"a": 12}, false, true},
		{"back in time, a lost delete", [][]Event{{written("b", 11)}, {written("a", 13)}, {deleted("b", 12)}}, map[string]uint64{"a": 13, "b": 11}, false, true},
		{"within one response", [][]Event{{written("b", 11), deleted("b", 12), written("b", 13)}}, map[string]uint64{"a": 10, "b": 13}, true, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMirror(testKeys)
			if _, err := m.replace(1, 10, []Entry{ballotEntry("a", 10)}); err != nil {
				t.Fatal(err)
			}
			var changed bool
			var err error
			for _, e := range test.events {
				changed, err = m.apply(1, e)
			}
			if changed != test.changed || errors.Is(err, ErrRelist) != test.relist || !maps.Equal(seqs(m), test.want) {
				t.Errorf("changed %v, err %v, holds %v", changed, err, seqs(m))
			}
		})
	}
}

func TestMirrorLists(t *testing.T) {
	m := newMirror(testKeys)
	if _, err := m.apply(1, []Event{written("a", 5)}); !errors.Is(err, ErrRelist) {
		t.Errorf("events before any list: %v", err)
	}
	steps := []struct {
		cluster  uint64
		revision int64
		list     []Entry
		changed  bool
		refused  bool
	}{
		{1, 10, nil, true, false}, // an empty store is a picture too
		{1, 12, nil, false, false},
		{1, 20, []Entry{ballotEntry("a", 15)}, true, false},
		{1, 21, []Entry{ballotEntry("a", 15)}, false, false},
		{1, 30, []Entry{ballotEntry("b", 25)}, true, false},
		{1, 31, nil, true, false},
		{2, 3, nil, true, false}, // another cluster starts anew
		{2, 2, nil, false, true},
		{2, 9, nil, false, true}, // its own writes do not make it good again
		{1, 31, nil, true, false},
		{1, 30, nil, false, true},
		{1, 32, nil, false, true},
	}
	for i, step := range steps {
		changed, err := m.replace(step.cluster, step.revision, step.list)
		if changed != step.changed || (err != nil) != step.refused {
			t.Errorf("step %d: changed %v, err %v", i, changed, err)
		}
		if p := m.picture(); err == nil && (p.Cluster != step.cluster || p.Revision != step.revision) {
			t.Errorf("step %d: picture of %d at %d", i, p.Cluster, p.Revision)
		}
	}
	if _, err := m.apply(2, []Event{written("a", 99)}); !errors.Is(err, ErrRelist) {
		t.Errorf("events of another cluster: %v", err)
	}
}

func TestMirrorKeepsTheLastGoodFleetFile(t *testing.T) {
	fleetEntry := func(text string, mod int64) Entry {
		f := regions.FleetFile{Text: text, Hash: strings.Repeat("ab", 32), By: "ann", N: mod, At: noon}
		data, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		return Entry{Key: testKeys.Current(), Value: data, Mod: mod}
	}
	bad := Entry{Key: testKeys.Current(), Value: []byte("{"), Mod: 12}
	m := newMirror(testKeys)
	text := func() string {
		if f := m.picture().Fleet; f != nil {
			return f.Text
		}
		return ""
	}
	expect := func(what, want string, _ bool, err error) {
		if err != nil || text() != want {
			t.Errorf("%s: %q, %v", what, text(), err)
		}
	}
	list := func(cluster uint64, rev int64, all ...Entry) (string, string, bool, error) {
		changed, err := m.replace(cluster, rev, all)
		return "", "", changed, err
	}
	_, _, c, err := list(1, 10, fleetEntry("good", 9))
	expect("listed", "good", c, err)
	c, err = m.apply(1, []Event{{Entry: bad}})
	expect("a bad event", "good", c, err)
	if r := m.picture().Rejected; len(r) != 1 || r[0].Key != "fleet/current" {
		t.Errorf("rejected %v", r)
	}
	_, _, c, err = list(1, 13, bad)
	expect("a bad list", "good", c, err)
	_, _, c, err = list(1, 14, fleetEntry("better", 14))
	expect("a better one", "better", c, err)
	_, _, c, err = list(2, 3, bad)
	expect("another cluster", "", c, err)
	_, _, c, err = list(1, 20, fleetEntry("again", 20))
	expect("back", "again", c, err)
	c, err = m.apply(1, []Event{{Gone: true, Entry: Entry{Key: testKeys.Current(), Mod: 21}}})
	expect("deleted", "", c, err)
}

func TestMirrorIsBounded(t *testing.T) {
	m := newMirror(testKeys)
	if _, err := m.replace(1, 1, nil); err != nil {
		t.Fatal(err)
	}
	for i := range int64(3 * maxHeld) {
		if _, err := m.apply(1, []Event{written(fmt.Sprintf("i%07d", i), i+2)}); err != nil {
			t.Fatal(err)
		}
	}
	p := m.picture()
	if len(m.held) > maxHeld || len(p.Ballots) != maxBallots || p.Ballots[0].Instance != "i0000000" {
		t.Errorf("%d held, %d in the picture", len(m.held), len(p.Ballots))
	}
	if len(p.Rejected) != 1 || p.Rejected[0].Key != votesFolder {
		t.Errorf("rejected %v", p.Rejected)
	}
}

// TestMirrorFollowsTheStore runs a made-up store against a watch that
// repeats, cuts and lags: once listed, the mirror holds what the store held.
func TestMirrorFollowsTheStore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var past []Event
		for rev := int64(1); rev <= 30; rev++ {
			name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")
			if rapid.Bool().Draw(t, "delete") {
				past = append(past, deleted(name, rev))
			} else {
				past = append(past, written(name, rev))
			}
		}
		m := newMirror(testKeys)
		at := rapid.IntRange(0, 30).Draw(t, "listed at")
		if _, err := m.replace(1, int64(at), stateAt(past, at)); err != nil {
			t.Fatal(err)
		}
		for next := at; next < 30; {
			from := rapid.IntRange(0, next).Draw(t, "from") // repeats what was sent
			to := rapid.IntRange(next+1, 30).Draw(t, "to")
			_, err := m.apply(1, past[from:to])
			if next = to; err != nil || rapid.IntRange(0, 4).Draw(t, "relist") == 0 {
				next = rapid.IntRange(to, 30).Draw(t, "relisted at")
				if _, err := m.replace(1, int64(next), stateAt(past, next)); err != nil {
					t.Fatal(err)
				}
			}
			want := newMirror(testKeys)
			if _, err := want.replace(1, int64(next), stateAt(past, next)); err != nil {
				t.Fatal(err)
			}
			if got := m.picture(); !reflect.DeepEqual(got, want.picture()) {
				t.Fatalf("at %d: holds %+v, want %+v", next, got, want.picture())
			}
		}
	})
}

// stateAt is the list of a store after its first n events.
func stateAt(past []Event, n int) []Entry {
	all := map[string]Entry{}
	for _, e := range past[:n] {
		if delete(all, e.Key); !e.Gone {
			all[e.Key] = e.Entry
		}
	}
	return slices.Collect(maps.Values(all))
}

func TestPictureIsFrozen(t *testing.T) {
	m := newMirror(testKeys)
	if _, err := m.replace(1, 10, []Entry{ballotEntry("a", 10)}); err != nil {
		t.Fatal(err)
	}
	before := m.picture()
	frozen := regions.Picture{Cluster: 1, Revision: 10, Ballots: slices.Clone(before.Ballots)}
	if _, err := m.apply(1, []Event{written("a", 11), written("b", 12)}); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*before, frozen) {
		t.Errorf("a published picture changed: %+v", before)
	}
}

// A history that went back is found even when its new writes have passed the
// old revision: it shows an older write of a key than was seen.
func TestMirrorKnowsAnOlderHistory(t *testing.T) {
	m := newMirror(testKeys)
	if _, err := m.replace(1, 20, []Entry{ballotEntry("a", 15), ballotEntry("b", 18)}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.replace(1, 30, []Entry{ballotEntry("b", 28)}); err != nil {
		t.Fatalf("a deleted key and a newer one are no older history: %v", err)
	}
	if _, err := m.replace(1, 40, []Entry{ballotEntry("b", 27)}); err == nil {
		t.Fatal("an older write of b was taken at a higher revision")
	}
	if _, err := m.replace(1, 50, []Entry{ballotEntry("b", 48)}); err == nil {
		t.Fatal("that history was taken later, without a word")
	}
}
