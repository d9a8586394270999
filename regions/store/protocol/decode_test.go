package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// with is a good JSON value with one part replaced.
func with(good, old, new string) string {
	if !strings.Contains(good, old) {
		panic(old)
	}
	return strings.Replace(good, old, new, 1)
}

const (
	goodBallot   = `{"instance":"a","region":"r","boot":"b","seq":7,"beat":5000000000,"votes":{"e":{"state":"up","reason":"200","since":"2026-03-01T12:00:00Z"}}}`
	goodInstance = `{"name":"a","region":"r","dns":["192.0.2.1:53"],"admin":"","version":"1","epoch":"x-y","geo":"","started":"2026-03-01T12:00:00Z"}`
	goodOverride = `{"kind":"region","name":"us-east","owner":"ann","reason":"drill","created":"2026-03-01T12:00:00Z","expires":"2026-03-01T13:00:00Z"}`
)

var goodSerial = fmt.Sprintf(`{"zone":"example.com.","serial":4294967295,"digest":"%064d","by":"a","at":"2026-03-01T12:00:00Z"}`, 0)

var goodFleet = fmt.Sprintf(`{"text":"zones: {}","hash":"%064d","by":"ann","at":"2026-03-01T12:00:00Z","n":3}`, 0)

func TestDecodeTakesTheGood(t *testing.T) {
	for key, value := range map[string]string{
		"/t/votes/a":                    goodBallot,
		"/t/instances/a":                goodInstance,
		"/t/overrides/region/us-east":   goodOverride,
		"/t/fleet/current":              goodFleet,
		"/t/fleet/history/000000000003": goodFleet,
		"/t/serials/example.com.":       goodSerial,
		"/t/elsewhere":                  "whatever",
		"/other/votes/a":                "whatever",
	} {
		if _, p := testKeys.decode(key, []byte(value)); len(p.rejected) != 0 {
			t.Errorf("%s: %v", key, p.rejected)
		}
	}
	newer := with(goodBallot, `"seq":7`, `"seq":7,"mood":"good"`)
	if _, p := testKeys.decode("/t/votes/a", []byte(newer)); p.ballot == nil {
		t.Error("a field of a newer version makes the ballot unreadable")
	}
}

func TestDecodeRefusesTheBad(t *testing.T) {
	long := strings.Repeat("x", 2000)
	tests := []struct{ key, value, why string }{
		{"/t/votes/b", goodBallot, "speaks of"},
		{"/t/serials/example.net.", goodSerial, "speaks of"},
		{"/t/serials/example.com.", with(goodSerial, "4294967295", "4294967296"), "4294967296"},
		{"/t/serials/example.com.", with(goodSerial, `"digest":"0`, `"digest":"g`), "hexadecimal"},
		{"/t/serials/example.com.", with(goodSerial, "2026", "1970"), "at 1970"},
		{"/t/votes/a", "", "JSON"},
		{"/t/votes/a", "null", "speaks of"},
		{"/t/votes/a", "[]", "array"},
		{"/t/votes/a", goodBallot + "{}", "after top-level"},
		{"/t/votes/a", strings.Repeat("[", 20_000), "depth"},
		{"/t/votes/a", strings.Repeat(" ", maxBallot+1), "bytes"},
		{"/t/votes/a", "\x1f\x8b", "EOF"},
		{"/t/votes/a", with(goodBallot, `"200"`, "\"\xff\""), "UTF-8"},
		{"/t/votes/a", with(goodBallot, `"region":"r"`, `"region":""`), "region"},
		{"/t/votes/a", with(goodBallot, `"boot":"b"`, `"boot":"b\u0007"`), "boot"},
		{"/t/votes/a", with(goodBallot, "5000000000", "0"), "beat"},
		{"/t/votes/a", with(goodBallot, "5000000000", "9000000000000000000"), "beat"},
		{"/t/votes/a", with(goodBallot, `"seq":7`, `"seq":-7`), "seq"},
		{"/t/instances/b", goodInstance, "speaks of"},
		{"/t/instances/a", with(goodInstance, "2026", "0001"), "started"},
		{"/t/instances/a", with(goodInstance, "2026", "9999"), "started"},
		{"/t/instances/a", with(goodInstance, "192.0.2.1:53", `\u001b[31m`), "DNS"},
		{"/t/instances/a", with(goodInstance, `"version":"1"`, `"version":"`+long+`"`), "version"},
		{"/t/overrides/service/us-east", goodOverride, "speaks of"},
		{"/t/overrides/region/us-west", goodOverride, "speaks of"},
		{"/t/overrides/planet/us-east", with(goodOverride, `"region"`, `"planet"`), "kind"},
		{"/t/overrides/region/us-east", with(goodOverride, `"ann"`, `""`), "owner"},
		{"/t/overrides/region/us-east", with(goodOverride, `"drill"`, `"`+long+`"`), "reason"},
		{"/t/overrides/region/us-east", with(goodOverride, `"drill"`, `"a\nb"`), "reason"},
		{"/t/overrides/region/us-east", with(goodOverride, "13:00", "11:00"), "before"},
		{"/t/overrides/region/us-east", with(goodOverride, "2026-03-01T13", "2031-03-01T13"), "longer"},
		{"/t/overrides/region/us-east", with(goodOverride, "2026-03-01T13", "9999-03-01T13"), "expires"},
		{"/t/fleet/current", with(goodFleet, `"n":3`, `"n":0`), "number"},
		{"/t/fleet/current", with(goodFleet, `zones: {}`, ``), "text"},
		{"/t/fleet/current", with(goodFleet, `0000"`, `000g"`), "hash"},
		{"/t/fleet/current", with(goodFleet, `"n":3`, `"n":3,"files":{"a\u0000":""}`), "file"},
		{"/t/fleet/history/000000000004", goodFleet, "number"},
		{"/t/fleet/history/3", goodFleet, "name"},
		{"/t/votes/", goodBallot, "name"},
		{"/t/votes/%61", goodBallot, "name"},
		{"/t/votes/a/b", goodBallot, "name"},
		{"/t/overrides/us-east", goodOverride, "name"},
	}
	for _, test := range tests {
		_, p := testKeys.decode(test.key, []byte(test.value))
		if p.ballot != nil || p.instance != nil || p.override != nil || p.fleet != nil || len(p.rejected) != 1 {
			t.Errorf("%s %.100s: taken", test.key, test.value)
			continue
		}
		if r := p.rejected[0]; r.Key != strings.TrimPrefix(test.key, "/t/") || !strings.Contains(r.Reason, test.why) {
			t.Errorf("%s %.100s: %+v, want %q", test.key, test.value, r, test.why)
		}
	}
}

func TestDecodeRefusesVotesOneByOne(t *testing.T) {
	votes := []string{
		`"e":{"state":"up","reason":"","since":"2026-03-01T12:00:00Z"}`,
		`"f":{"state":"down","reason":"","since":"0001-01-01T00:00:00Z"}`,
		`"bad state":{"state":"sideways","reason":"","since":"2026-03-01T12:00:00Z"}`,
		`"bad since":{"state":"up","reason":"","since":"9999-03-01T12:00:00Z"}`,
		`"bad reason":{"state":"up","reason":"a\nb","since":"2026-03-01T12:00:00Z"}`,
		`"long reason":{"state":"up","reason":"` + strings.Repeat("x", 201) + `","since":"2026-03-01T12:00:00Z"}`,
		`"bad\u0000endpoint":{"state":"up","reason":"","since":"2026-03-01T12:00:00Z"}`,
		`"bad type":7`,
	}
	value := with(goodBallot, goodBallot[strings.Index(goodBallot, `"votes"`):], `"votes":{`+strings.Join(votes, ",")+"}}")
	_, p := testKeys.decode("/t/votes/a", []byte(value))
	if p.ballot == nil || len(p.ballot.Votes) != 2 || len(p.rejected) != 6 {
		t.Fatalf("%+v", p)
	}
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf(`"%d":7`, i))
	}
	value = with(value, strings.Join(votes, ","), strings.Join(many, ","))
	if _, p := testKeys.decode("/t/votes/a", []byte(value)); len(p.rejected) != maxRefusals+1 {
		t.Errorf("%d refusals of one ballot", len(p.rejected))
	}
}

func TestUnpackIsNoBomb(t *testing.T) {
	bomb, err := Pack(strings.Repeat(" ", 4<<20))
	if err != nil || len(bomb) > 64<<10 {
		t.Fatal(len(bomb), err)
	}
	var s string
	if err := unpack(bomb, 1<<20, &s); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("4 MiB in a place for 1: %v", err)
	}
	if err := unpack(bomb, 5<<20, &s); err != nil || len(s) != 4<<20 {
		t.Errorf("4 MiB in a place for 5: %v", err)
	}
}

func TestKeysRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := rapid.StringMatching(`[ -~äß€]{1,40}`).Draw(t, "name")
		kind := rapid.SampledFrom([]regions.OverrideKind{"region", "service", "endpoint"}).Draw(t, "kind")
		for _, want := range []name{{class: votes, of: of}, {class: instances, of: of}, {class: serials, of: of}, {class: overrides, kind: kind, of: of}} {
			key := testKeys.of(want)
			if got, err := testKeys.parse(key); err != nil || got != want {
				t.Fatalf("%q: %+v, %v", key, got, err)
			}
			if folders := strings.Count(key, "/"); folders != map[class]int{votes: 3, instances: 3, serials: 3, overrides: 4}[want.class] {
				t.Fatalf("%q: %d folders", key, folders)
			}
		}
	})
}

func TestWhatFitMakesIsAccepted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reason := string(rapid.SliceOfN(rapid.Byte(), 0, 400).Draw(t, "reason"))
		b := regions.Ballot{Instance: "a", Region: "r", Boot: "b", Beat: time.Second,
			Votes: fit(map[string]healthcheck.Vote{"e": {State: healthcheck.Down, Reason: reason, Since: time.Now()}})}
		data, err := Pack(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, p := testKeys.decode("/t/votes/a", data); len(p.rejected) != 0 || !reflect.DeepEqual(*p.ballot, b) {
			t.Fatalf("%+v, want %+v", p, b)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for key, value := range map[string]string{
		"/t/votes/a": goodBallot, "/t/instances/a": goodInstance, "/t/overrides/region/us-east": goodOverride,
		"/t/fleet/current": goodFleet, "/t/fleet/history/000000000003": goodFleet, "/t/votes/%2F": "null", "/t/votes/b": "\x1f\x8b\x08",
	} {
		f.Add(key, []byte(value))
	}
	if packed, err := Pack(strings.Repeat("x", packFrom)); err == nil {
		f.Add("/t/fleet/current", packed)
	}
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		n, p := testKeys.decode(key, bytes.Clone(value))
		if n.class == votes && p.ballot != nil {
			if parts, err := testKeys.decodeVotes(n, bytes.Clone(value)); err != nil || !reflect.DeepEqual(parts, p) {
				t.Errorf("in one go %+v, part by part %+v, %v", p, parts, err)
			}
		}
		for _, r := range p.rejected {
			if !printable(r.Key, 2048) || !printable(r.Reason, maxWords) {
				t.Errorf("a refusal that cannot be shown: %+q", r)
			}
		}
		taken := accepted(p)
		if taken == nil {
			return
		}
		if testKeys.of(n) != key {
			t.Errorf("%q is another spelling of %+v", key, n)
		}
		data, err := json.Marshal(taken)
		if err != nil {
			t.Fatalf("what was taken cannot be written: %v", err)
		}
		if _, again := testKeys.decode(key, data); len(again.rejected) != 0 || !sameJSON(accepted(again), data) {
			t.Errorf("what was taken is not taken again: %+v", again.rejected)
		}
	})
}

func sameJSON(v any, want []byte) bool {
	data, err := json.Marshal(v)
	return err == nil && bytes.Equal(data, want)
}

func accepted(p parsed) any {
	switch {
	case p.ballot != nil:
		return p.ballot
	case p.instance != nil:
		return p.instance
	case p.override != nil:
		return p.override
	case p.fleet != nil:
		return p.fleet
	}
	return nil
}
