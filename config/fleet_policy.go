package config

import (
	"slices"
)

// The bounds and defaults of the take stage.
const (
	maxTake     = 64
	takeCount   = 3
	takeRegions = 2
)

var stageNames = []string{StageHealthy, StageFence, StageTier, StageNear, StageBalance, StageTake}

// policy reads a chain of stages. A service of aliases takes one by default,
// for a name has only one CNAME (RFC 2181, section 10.1).
func (d *fleetDecoder) policy(v item, aliased bool) []Stage {
	if !v.given() {
		return defaultPolicy(v.at, aliased)
	}
	list := v.items("stages")
	if v.kind == kindList && len(list) == 0 {
		v.fail("the policy has no stages", "write [healthy, near, balance, {take: 3}], or remove the key")
	}
	var out []Stage
	seen := map[string]Pos{}
	for i, e := range list {
		s := d.stage(e)
		out = append(out, s)
		if s.Kind != StageFence && s.Kind != "" {
			once(seen, e, s.Kind, "stage "+s.Kind)
		}
		if s.Kind == StageTake && i < len(list)-1 {
			e.fail("take is not the last stage", "move it to the end; stages after it would have nothing to choose from")
		}
	}
	return out
}

func defaultPolicy(at Pos, aliased bool) []Stage {
	take := Stage{Pos: at, Kind: StageTake, Count: takeCount, MinRegions: takeRegions}
	if aliased {
		take.Count, take.MinRegions = 1, 1
	}
	return []Stage{{Pos: at, Kind: StageHealthy}, {Pos: at, Kind: StageNear}, {Pos: at, Kind: StageBalance}, take}
}

// stage reads a word, or a table of one key.
func (d *fleetDecoder) stage(v item) Stage {
	s := Stage{Pos: v.at}
	switch v.kind {
	case kindTable:
		d.stageTable(&s, v)
	case kindText:
		s.Kind = d.stageWord(v)
	default:
		v.is(kindText, "a stage such as near or {take: 3}", "write one of "+listed(stageNames))
	}
	return s
}

func (d *fleetDecoder) stageWord(v item) string {
	switch {
	case v.text == StageFence || v.text == StageTier || v.text == StageTake:
		v.fail("stage "+v.text+" needs more than its name", "write it as in {"+stageShapes[v.text]+"}")
	case slices.Contains(stageNames, v.text):
		return v.text
	default:
		v.fail("unknown stage "+quote(v.text), d.suggest(v.text, stageNames, "stages"))
	}
	return ""
}

var stageShapes = map[string]string{
	StageFence: "fence: {countries: [DE], regions: [eu-west]}",
	StageTier:  "tier: [[us-east, us-west], [eu-west]]",
	StageTake:  "take: 3",
}

func (d *fleetDecoder) stageTable(s *Stage, v item) {
	if len(v.node.table) != 1 {
		v.fail("a stage must be a word or a table of one key", "give each stage an element of its own")
		return
	}
	e := v.node.table[0]
	arg := v.sub(e)
	switch e.key {
	case StageFence:
		d.fence(s, arg)
	case StageTier:
		s.Tiers = d.tiers(arg)
	case StageTake:
		d.take(s, arg)
	case StageHealthy, StageNear, StageBalance:
		arg.atKey(e).fail("stage "+e.key+" has no settings", "write only "+e.key)
	default:
		arg.atKey(e).fail("unknown stage "+quote(e.key), d.suggest(e.key, stageNames, "stages"))
		return
	}
	s.Kind = e.key
}

func (d *fleetDecoder) fence(s *Stage, v item) {
	t := v.table("countries", "continents", "asns", "prefixes", "regions")
	for _, e := range t.get("countries").items("country codes") {
		s.Fence.Countries = append(s.Fence.Countries, d.country(e))
	}
	for _, e := range t.get("continents").items("continents") {
		s.Fence.Continents = append(s.Fence.Continents, d.continent(e))
	}
	for _, e := range t.get("asns").items("AS numbers") {
		s.Fence.ASNs = append(s.Fence.ASNs, asn(e))
	}
	for _, e := range t.get("prefixes").items("prefixes") {
		p, _ := parsed(e, "a prefix such as 192.0.2.0/24", parsePrefix)
		s.Fence.Prefixes = append(s.Fence.Prefixes, p)
	}
	f := s.Fence
	if v.kind == kindTable && len(f.Countries)+len(f.Continents)+len(f.ASNs)+len(f.Prefixes) == 0 {
		v.fail("the fence is for nobody", "list countries, continents, asns or prefixes")
	}
	s.Regions = d.regionList(t.need("regions", "[us-east]"), map[string]Pos{})
}

// asn reads an AS number; 0 is reserved (RFC 7607).
func asn(v item) uint32 { return uint32(v.integer(0, 1, 1<<32-1)) }

// regionList reads names of regions, at least one, none seen before.
func (d *fleetDecoder) regionList(v item, seen map[string]Pos) []string {
	var out []string
	list := v.items("regions")
	for _, e := range list {
		if name := d.uses(e, d.regions); name != "" && once(seen, e, name, "region "+quote(name)) {
			out = append(out, name)
		}
	}
	if v.given() && v.kind == kindList && len(list) == 0 {
		v.fail("the list is empty", "write at least one region")
	}
	return out
}

func (d *fleetDecoder) tiers(v item) [][]string {
	var out [][]string
	seen := map[string]Pos{}
	list := v.items("tiers")
	for _, e := range list {
		out = append(out, d.regionList(e, seen))
	}
	if v.given() && v.kind == kindList && len(list) == 0 {
		v.fail("the list is empty", "write it as in {"+stageShapes[StageTier]+"}")
	}
	return out
}

// take reads a number, or {count: 3, regions: 2}.
func (d *fleetDecoder) take(s *Stage, v item) {
	if v.kind != kindTable {
		s.Count = int(v.integer(takeCount, 1, maxTake))
		s.MinRegions = min(takeRegions, s.Count)
		return
	}
	t := v.table("count", "regions")
	s.Count = int(t.need("count", "3").integer(takeCount, 1, maxTake))
	s.MinRegions = int(t.get("regions").integer(int64(min(takeRegions, s.Count)), 1, maxTake))
	if s.MinRegions > s.Count {
		t.get("regions").fail("more regions than endpoints to take", "write at most the count")
	}
}
