package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// maxRefusals is how many refused votes of one ballot are told apart.
const maxRefusals = 20

// parsed is one key's value as far as it is believed: one of the pointers is
// set, or none when the value was refused as a whole.
type parsed struct {
	fleet    *regions.FleetFile
	ballot   *regions.Ballot
	instance *regions.Instance
	override *regions.Override
	serial   *regions.ZoneSerial
	rejected []regions.Rejected
}

// decode judges one value. It is pure, and never fails as a whole: what is
// wrong is in rejected.
func (k Keys) decode(key string, value []byte) (name, parsed) {
	n, err := k.parse(key)
	var p parsed
	if err == nil {
		p, err = k.decodeAs(n, value)
	}
	if err != nil {
		p = parsed{rejected: []regions.Rejected{{Key: k.Relative(key), Reason: Words(err.Error())}}}
	}
	return n, p
}

func (k Keys) decodeAs(n name, value []byte) (parsed, error) {
	switch n.class {
	case fleetCurrent, fleetHistory:
		return decodeFleet(n, value)
	case votes:
		return k.decodeBallot(n, value)
	case instances:
		return decodeInstance(n, value)
	case overrides:
		return decodeOverride(n, value)
	case serials:
		return decodeSerial(n, value)
	}
	return parsed{}, nil
}

func decodeFleet(n name, value []byte) (parsed, error) {
	f := new(regions.FleetFile)
	if err := unpack(value, maxFleetJSON, f); err != nil {
		return parsed{}, err
	}
	if n.class == fleetHistory && n.n != f.N {
		return parsed{}, fmt.Errorf("number %d under the key of number %d", f.N, n.n)
	}
	return parsed{fleet: f}, CheckFleet(*f)
}

func decodeInstance(n name, value []byte) (parsed, error) {
	i := new(regions.Instance)
	if err := unpack(value, maxSmall, i); err != nil {
		return parsed{}, err
	}
	if i.Name != n.of {
		return parsed{}, fmt.Errorf("speaks of instance %.80q", i.Name)
	}
	return parsed{instance: i}, checkInstance(*i)
}

func decodeOverride(n name, value []byte) (parsed, error) {
	o := new(regions.Override)
	if err := unpack(value, maxSmall, o); err != nil {
		return parsed{}, err
	}
	if o.Kind != n.kind || o.Name != n.of {
		return parsed{}, fmt.Errorf("speaks of %.80q %.80q", o.Kind, o.Name)
	}
	return parsed{override: o}, CheckOverride(*o)
}

// ballot is regions.Ballot with votes still to be judged one by one.
type ballot struct {
	Instance string                     `json:"instance"`
	Region   string                     `json:"region"`
	Boot     string                     `json:"boot"`
	Seq      uint64                     `json:"seq"`
	Beat     time.Duration              `json:"beat"`
	Votes    map[string]json.RawMessage `json:"votes"`
	Blind    bool                       `json:"blind"`
	Marks    map[string]json.RawMessage `json:"marks"`
}

func (b *ballot) check(instance string) error {
	switch {
	case b.Instance != instance:
		return fmt.Errorf("speaks of instance %.80q", b.Instance)
	case !printable(b.Region, MaxName):
		return errors.New("region: want printable text")
	case !printable(b.Boot, MaxName):
		return errors.New("boot: want printable text")
	case b.Beat <= 0 || b.Beat > MaxBeat:
		return fmt.Errorf("beat of %v: want more than 0 and at most %v", b.Beat, MaxBeat)
	case len(b.Votes) > MaxVotes:
		return fmt.Errorf("%d votes: want at most %d", len(b.Votes), MaxVotes)
	case len(b.Marks) > MaxVotes:
		return fmt.Errorf("%d marks: want at most %d", len(b.Marks), MaxVotes)
	}
	return nil
}

// decodeBallot reads a ballot in one go if all of it is good, and otherwise
// part by part.
func (k Keys) decodeBallot(n name, value []byte) (parsed, error) {
	if b := wholeBallot(n, value); b != nil {
		return parsed{ballot: b}, nil
	}
	return k.decodeVotes(n, value)
}

// wholeBallot is the ballot if nothing is wrong with it, otherwise nil.
func wholeBallot(n name, value []byte) *regions.Ballot {
	b := new(regions.Ballot)
	if unpack(value, maxBallot, b) != nil || len(b.Votes) > MaxVotes || len(b.Marks) > MaxVotes {
		return nil
	}
	head := ballot{Instance: b.Instance, Region: b.Region, Boot: b.Boot, Beat: b.Beat}
	if head.check(n.of) != nil {
		return nil
	}
	for id, v := range b.Votes {
		if !printable(id, MaxName) || checkVote(v) != nil {
			return nil
		}
	}
	for id, m := range b.Marks {
		if !printable(id, MaxName) || checkMark(m) != nil {
			return nil
		}
	}
	if b.Votes == nil {
		b.Votes = map[string]healthcheck.Vote{}
	}
	return b
}

// decodeVotes refuses bad votes and marks one by one: the others count.
func (k Keys) decodeVotes(n name, value []byte) (parsed, error) {
	var raw ballot
	if err := unpack(value, maxBallot, &raw); err != nil {
		return parsed{}, err
	}
	if err := raw.check(n.of); err != nil {
		return parsed{}, err
	}
	b := &regions.Ballot{
		Instance: raw.Instance, Region: raw.Region, Boot: raw.Boot, Seq: raw.Seq, Beat: raw.Beat, Blind: raw.Blind,
		Votes: make(map[string]healthcheck.Vote, len(raw.Votes)),
	}
	p := parsed{ballot: b}
	for _, id := range slices.Sorted(maps.Keys(raw.Votes)) {
		v, err := decodeVote(id, raw.Votes[id])
		if err != nil {
			p.refuse(k.Relative(k.Votes(n.of)), "vote on "+id, err)
			continue
		}
		b.Votes[id] = v
	}
	if raw.Marks != nil { // none at all is another thing than an empty set: no memory yet
		b.Marks = make(map[string]regions.Mark, len(raw.Marks))
	}
	for _, id := range slices.Sorted(maps.Keys(raw.Marks)) {
		m, err := decodeMark(id, raw.Marks[id])
		if err != nil {
			p.refuse(k.Relative(k.Votes(n.of)), "mark on "+id, err)
			continue
		}
		b.Marks[id] = m
	}
	return p, nil
}

func decodeMark(id string, raw json.RawMessage) (regions.Mark, error) {
	var m regions.Mark
	if !printable(id, MaxName) {
		return m, errors.New("name: want printable text")
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, err
	}
	return m, checkMark(m)
}

// maxPenalty is far above what damping can bring about.
const maxPenalty = 1e6

func checkMark(m regions.Mark) error {
	for _, at := range []time.Time{m.Out, m.Fell} {
		if !sane(at) {
			return fmt.Errorf("out at %v, fell at %v", m.Out, m.Fell)
		}
	}
	for _, at := range []time.Time{m.Well, m.Back} {
		if !sane(at) && !at.IsZero() {
			return fmt.Errorf("well at %v, back at %v", m.Well, m.Back)
		}
	}
	if !(m.Penalty >= 0 && m.Penalty <= maxPenalty) {
		return fmt.Errorf("penalty %v: want 0 to %v", m.Penalty, maxPenalty)
	}
	return nil
}

func decodeVote(id string, raw json.RawMessage) (healthcheck.Vote, error) {
	var v healthcheck.Vote
	if !printable(id, MaxName) {
		return v, errors.New("endpoint: want printable text")
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, err
	}
	return v, checkVote(v)
}

func checkVote(v healthcheck.Vote) error {
	if !blankOrPrintable(v.Reason, healthcheck.MaxReason) {
		return fmt.Errorf("reason: want at most %d bytes of printable text", healthcheck.MaxReason)
	}
	if !sane(v.Since) && !v.Since.IsZero() {
		return fmt.Errorf("since %v", v.Since)
	}
	return nil
}

// refuse notes one part of a ballot, the first few in their own words.
func (p *parsed) refuse(key, part string, err error) {
	switch n := len(p.rejected); {
	case n < maxRefusals:
		p.rejected = append(p.rejected, regions.Rejected{
			Key: key, Reason: Words(fmt.Sprintf("%s: %v", part, err)),
		})
	case n == maxRefusals:
		p.rejected = append(p.rejected, regions.Rejected{Key: key, Reason: "more of them, not listed"})
	}
}

// Words makes a reason fit for a log line and a page.
func Words(s string) string {
	if printable(s, maxWords) {
		return s
	}
	return strconv.QuoteToASCII(s[:min(len(s), healthcheck.MaxReason)])
}

// DecodeFleet judges an applied fleet file; nil: it is refused.
func (k Keys) DecodeFleet(e Entry) (*regions.FleetFile, regions.Rejected) {
	_, p := k.decode(e.Key, e.Value)
	if p.fleet == nil && len(p.rejected) == 0 {
		p.rejected = []regions.Rejected{{Key: k.Relative(e.Key), Reason: "not the key of a fleet file"}}
	}
	return p.fleet, first(p.rejected)
}

// DecodeOverride judges an override; nil: it is refused.
func (k Keys) DecodeOverride(e Entry) *regions.Override {
	_, p := k.decode(e.Key, e.Value)
	return p.override
}

// HistoryNumber is the number in the key of an entry of the history; 0: it
// is refused.
func (k Keys) HistoryNumber(key string) (int64, regions.Rejected) {
	n, err := k.parse(key)
	if err != nil || n.class != fleetHistory || n.n < 1 {
		return 0, regions.Rejected{Key: k.Relative(key), Reason: Words(fmt.Sprintf("no number of the history: %v", err))}
	}
	return n.n, regions.Rejected{}
}

func first(list []regions.Rejected) regions.Rejected {
	if len(list) == 0 {
		return regions.Rejected{}
	}
	return list[0]
}
