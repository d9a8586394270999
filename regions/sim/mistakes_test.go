//go:build e2e

package sim

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// mistakes are changes to the real code that somebody might make. None of
// them is anywhere but here: the compiler is handed changed files in place of
// the real ones, which is the switch.
var mistakes = []struct {
	name string
	file string
	swap []string // old and new, in turns; each old one occurs once
}{
	{"a missing vantage counts as down", "regions/votes.go", []string{
		"\t\tif len(voters) > 0 {\n\t\t\tvs = append(vs, combine(t.Regions[i].Name, voters, id))\n\t\t}",
		"\t\tif len(voters) > 0 {\n\t\t\tvs = append(vs, combine(t.Regions[i].Name, voters, id))\n\t\t} else {\n\t\t\tvs = append(slices.Clip(vs), vantage{region: i, vote: VantageVote{Region: t.Regions[i].Name, State: healthcheck.Down}})\n\t\t}",
	}},
	{"a lost lease counts as votes for down", "regions/court.go", []string{
		"\tc.picture, c.looked, c.gap = p, now, false\n",
		`	if last != nil {
		q := *p
		for _, b := range last.Ballots {
			if !slices.ContainsFunc(p.Ballots, func(o Ballot) bool { return o.Instance == b.Instance }) {
				b.Seq++
				b.Votes = maps.Clone(b.Votes)
				for id, v := range b.Votes {
					v.State = 2
					b.Votes[id] = v
				}
				q.Ballots = append(slices.Clone(q.Ballots), b)
			}
		}
		p = &q
	}
	c.picture, c.looked, c.gap = p, now, false
`,
	}},
	{"instances count, not vantages", "regions/votes.go", []string{
		"\t\t\tvs = append(vs, combine(t.Regions[i].Name, voters, id))\n",
		"\t\t\tfor j := range voters {\n\t\t\t\tvs = append(slices.Clip(vs), combine(t.Regions[i].Name, voters[j:j+1], id))\n\t\t\t}\n",
	}},
	{"an instance hears itself before the store does", "regions/votes.go", []string{
		"\tslices.SortStableFunc(counted, func", "\tif in.Own != nil {\n\t\tcounted = append([]*Ballot{in.Own}, counted...)\n\t}\n\tslices.SortStableFunc(counted, func",
	}},
	{"what is frozen is judged all the same", "regions/endpoint.go", []string{
		"case fresh == 0 || 2*fresh < j.configured:", "case fresh == 0:",
	}},
	{"a demotion removes", "regions/memory.go", []string{
		"v.Demoted = v.State != healthcheck.Down && vote == healthcheck.Down\n",
		"v.Demoted = v.State != healthcheck.Down && vote == healthcheck.Down\n\t\t\tif v.Demoted {\n\t\t\t\tv.State = healthcheck.Down\n\t\t\t}\n",
	}},
	{"the blind do not abstain", "regions/blind.go", []string{
		"return targets >= minBlindTargets && 2*contradicted > targets", "return false && contradicted > targets",
	}},
	{"the brake lets one more go", "regions/brake.go", []string{
		"\tif len(earlier) >= allowed {\n", "\tif len(earlier) > allowed {\n",
	}},
	{"the brake lets the last region go", "regions/brake.go", []string{
		"max(0, limit-1)", "max(0, limit)",
	}},
	{"a drain never ends", "regions/overrides.go", []string{
		"if o.Expires.After(now) {", "if true {",
	}},
	{"an applied revision may go back", "regions/inbox.go", []string{
		"case f.known && (f.behind || revision < f.revision):", "case false:",
	}},
	{"any cluster is believed", "regions/inbox.go", []string{
		"case f.known && cluster != f.cluster:", "case false:",
	}},
	{"what was kept in leaves by the time of the votes", "regions/comeback.go", []string{
		"\t\treturn b.now\n\t}\n\treturn v.Since", "\t}\n\treturn v.Since",
	}},
	{"a drain that ended stays where the store is lost", "regions/memory.go", []string{
		"\tv.Drained, v.Pinned = drained, pinned\n", "\tif drained != nil {\n\t\tv.Drained = drained\n\t}\n\tv.Pinned = pinned\n",
	}},
	{"drains are swept while they last", "regions/store/protocol/override.go", []string{
		"now.Sub(o.Expires) > sweepAfter", "now.Sub(o.Created) > 0",
	}},
	{"a store that is not believed is written to", "regions/store/protocol/writer.go", []string{
		"if !w.permitted.Load() {", "if false {",
	}},
	{"ready without any state", "regions/judge.go", []string{
		"in.Picture != nil || in.Previous != nil && in.Previous.Ready,", "true,",
	}},
	{"the saved state goes before the store's", "regions/court.go", []string{
		"if c.restored != nil && (c.last == nil || !c.last.Ready) {", "if c.restored != nil {",
		"\tc.restored = nil\n", "",
	}},
	{"the wall clock tells a vote's age", "regions/ages.go", []string{
		"until.After(now) {", "until.Round(0).After(now.Round(0)) {",
	}},
	{"votes that moved in a gap are new", "regions/court.go", []string{
		"since = c.looked", "since = now",
	}},
	{"without the store the verdicts are judged on", "regions/court.go", []string{
		"lost := !c.there() &&", "lost := false && !c.there() &&",
	}},
	{"the epoch forgets who is suspect", "regions/epoch.go", []string{
		"v.Suspect || v.Shaky, v.Frozen", "false, v.Frozen",
	}},
	{"failing open with nothing", "regions/steering/outcome.go", []string{
		"d.decision(FailOpen, ranked, d.svc.TTLMin, why)", "d.decision(FailOpen, ranked[:0], d.svc.TTLMin, why)",
	}},
	{"failing open to what is drained", "regions/steering/outcome.go", []string{
		"return e.pool && !e.drained })", "return e.pool })",
	}},
	{"a revision served as the TTL", "regions/steering/outcome.go", []string{
		"ttl, why := d.svc.TTLMax, reason(", "ttl, why := uint32(d.w.Revision), reason(",
	}},
	{"what the brake holds is not served", "regions/steering/decide.go", []string{
		"case held:\n\t\td.heldBack++", "case held:\n\t\te.drop(regions.StageHealthy, reason(CodeEndpointDown, \"is down\"))\n\t\te.pool = false",
	}},
	{"a lost delete is never looked for", "regions/store/protocol/reader.go", []string{
		"now.Add(r.timing.vary(r.timing.Relist))", "now.Add(24*time.Hour)",
	}},
	{"the hold is forgotten", "regions/comeback.go", []string{
		"return later(m.Fell.Add(r.Recovery.Hold), ", "return later(m.Fell, ",
	}},
	{"a failback needs nobody's word", "regions/comeback.go", []string{
		"if given.IsZero() || given.Before(m.Out) {\n\t\t\treturn time.Time{}", "if given.IsZero() || given.Before(m.Out) {\n\t\t\treturn at",
	}},
	{"what waits serves like the others", "regions/steering/decide.go", []string{
		"\tcase r.Waiting || v.Waiting:\n\t\te.standing = spare\n", "",
	}},
	{"the epoch forgets how far a region is back", "regions/epoch.go", []string{
		"\t\tv.Ramp)\n", "\t\t0)\n",
	}},
	{"marks need no majority", "regions/mark.go", []string{
		"len(claims) > c.speaking/2 {", "len(claims) > 0 {",
		"agreed = claims[c.speaking/2].bounded(c.now)", "agreed = claims[0].bounded(c.now)",
	}},
	{"the need of another service is forgotten", "regions/lack.go", []string{
		"case at.serving == 0:", "case at.serving < 0:",
	}},
	{"a silent watch is waited for", "regions/store/protocol/reader.go", []string{
		"case r.watched && !now.Before(r.silent):", "case r.watched && !now.Before(r.silent.Add(time.Hour)):",
	}},
	{"an event is applied whatever its revision", "regions/store/protocol/mirror.go", []string{
		"\t\tif e.Mod <= m.listed {\n", "\t\tif false {\n",
		"case known && old.mod >= e.Mod, !known && e.Gone:", "case known && old.mod < 0, !known && e.Gone:",
		"\tcase past:\n", "\tcase past && false:\n",
	}},
	{"a lease that is gone is not made again", "regions/store/protocol/writer.go", []string{
		"case errors.Is(failure, ErrLeaseNotFound) && !r.again:", "case errors.Is(failure, ErrLeaseNotFound) && w.lease < 0:",
	}},
	{"a drain does not look at what others drained", "regions/store/protocol/override.go", []string{
		"\tif s.basis >= 0 {\n", "\tif s.basis < -1 {\n",
	}},
	{"no previous state is kept", "regions/snapshot/save.go", []string{
		"err = keepPrevious(d, path)\n", "err = nil\n",
	}},
}

var foundIn = regexp.MustCompile(`VIOLATION in seed (\d+): (.*)`)

// TestMistakes plants each mistake and counts the stories until it shows.
func TestMistakes(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	most := "100000"
	if s := os.Getenv("STEERDNS_SEEDS"); s != "" {
		most = s
	}
	sound := build(t, root, nil)
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			binary := plant(t, root, m.file, m.swap)
			out, err := exec.Command(binary, "-seeds", most, "-most", "1", "-parallel", "1").Output()
			found := foundIn.FindSubmatch(out)
			if err == nil || found == nil {
				t.Fatalf("not caught in %s stories: %v\n%s", most, err, out)
			}
			seed, err := strconv.Atoi(string(found[1]))
			if err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(sound, "-seeds", "1", "-from", string(found[1])).Output(); err != nil {
				t.Fatalf("the code without the mistake fails in that story, too:\n%s", out)
			}
			t.Logf("caught after %d stories: %s", seed, found[2])
		})
	}
}

// plant builds the simulation with a mistake in it.
func plant(t *testing.T, root, file string, swap []string) (binary string) {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	text := string(source)
	for i := 0; i < len(swap); i += 2 {
		if n := strings.Count(text, swap[i]); n != 1 {
			t.Fatalf("%s has %d times %q: plant this mistake anew", file, n, swap[i])
		}
		text = strings.Replace(text, swap[i], swap[i+1], 1)
	}
	changed := filepath.Join(t.TempDir(), "changed.go")
	if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return build(t, root, map[string]string{filepath.Join(root, file): changed})
}

// build builds the simulation with some files in place of others.
func build(t *testing.T, root string, replace map[string]string) (binary string) {
	t.Helper()
	dir := t.TempDir()
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(dir, "simulate")
	cmd := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, "./regions/sim/simulate")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}
