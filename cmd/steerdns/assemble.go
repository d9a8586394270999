package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/steerdns/steerdns/config"
	"github.com/steerdns/steerdns/dnsserver/transfer"
	"github.com/steerdns/steerdns/dnsserver/zone"
	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// assembled is one fleet file in every room's own terms. Immutable.
type assembled struct {
	file     regions.FleetFile
	source   string // a path, "etcd" or "built-in"
	topology *regions.Topology
	zones    *zone.Set
	digest   [sha256.Size]byte // of what zones was made of
	places   []geo.PlaceRule
	transfer []transfer.Rule
}

// loadFleet reads, checks and assembles the fleet file at path. The zones of have,
// which may be nil, are taken over if they are the same.
func loadFleet(path string, have *assembled) (*assembled, error) {
	f, problems := config.LoadFleet(path)
	return assemble(f, problems, have)
}

// assembleFile does the same for a fleet file out of the store or a snapshot.
// name is what messages call it.
func assembleFile(name string, file regions.FleetFile, have *assembled) (*assembled, error) {
	read := func(name string, pinned bool) ([]byte, error) {
		if pinned {
			return config.ReadZone(name)
		}
		text, ok := file.Files[name]
		if !ok {
			return nil, fmt.Errorf("%w: it was not stored with the fleet file", os.ErrNotExist)
		}
		return []byte(text), nil
	}
	f, problems := config.ParseFleet(name, []byte(file.Text), read)
	a, err := assemble(f, problems, have)
	if err != nil {
		return nil, err
	}
	a.file, a.source = file, name
	return a, nil
}

// assemble turns a fleet file into topology, zones and places, when nothing is
// wrong with it. What only the other rooms can judge (master-file text, country
// codes) is judged here, and told together with the problems that are known.
// f may be nil then, or what could be read of the file.
func assemble(f *config.Fleet, problems config.Problems, have *assembled) (*assembled, error) {
	if f == nil {
		return nil, problems.Err()
	}
	problems = append(problems, checkCountries(f)...)
	sources := zoneSources(f)
	digest := digestOf(sources)
	zones, bad := buildZones(sources, digest, have)
	for _, p := range bad {
		problems = append(problems, config.Problem{
			Pos:  zonePos(f, p),
			Path: strings.TrimSuffix(p.Zone, "."), Message: p.Message, Fix: p.Fix,
		})
	}
	if err := problems.Sorted().Err(); err != nil {
		return nil, err
	}
	return &assembled{
		file:     fleetFile(f),
		source:   f.File,
		topology: topologyOf(f),
		zones:    zones,
		digest:   digest,
		places:   placeRules(f),
		transfer: transferRules(f),
	}, nil
}

// buildZones makes the zones, unless have holds them: most changes of a fleet file
// are about services, and the same zones keep the answers made from them.
func buildZones(sources []zone.Source, digest [sha256.Size]byte, have *assembled) (*zone.Set, []zone.Problem) {
	if have != nil && have.digest == digest {
		return have.zones, nil
	}
	return zone.Build(sources)
}

// digestOf names what zones are made of, whatever the places in files.
func digestOf(sources []zone.Source) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, s := range sources {
		_, _ = io.WriteString(h, s.Text) // a hash takes everything
		s.Text, s.File, s.Line = strconv.Itoa(len(s.Text)), "", 0
		s.Steered = slices.Clone(s.Steered)
		for i := range s.Steered {
			s.Steered[i].File, s.Steered[i].Line, s.Steered[i].Col = "", 0, 0
		}
		_ = json.NewEncoder(h).Encode(s) // no channel, no function, no circle
	}
	h.Sum(sum[:0])
	return sum
}

// zonePos is where a problem of a zone stands in its file: the zone room does
// not know how far the YAML indents the text.
func zonePos(f *config.Fleet, p zone.Problem) config.Pos {
	at := config.Pos{File: p.File, Line: p.Line, Col: p.Col}
	for _, z := range f.Zones {
		text := z.Records
		last := text.Pos.Line + strings.Count(text.Value, "\n")
		if text.Pos.File == p.File && text.Pos.Line <= p.Line && p.Line <= last {
			at.Col += text.Pos.Col - 1
		}
	}
	return at
}

func fleetFile(f *config.Fleet) regions.FleetFile {
	out := regions.FleetFile{Text: string(f.Text), Hash: f.Hash, At: time.Now().UTC()}
	for name, text := range f.Files {
		if out.Files == nil {
			out.Files = map[string]string{}
		}
		out.Files[name] = string(text)
	}
	return out
}

func checkCountries(f *config.Fleet) config.Problems {
	var problems config.Problems
	for _, m := range f.Countries() {
		if geo.ContinentOf(m.Word) == "" {
			problems = append(problems, config.Problem{
				Pos: m.Pos, Path: m.Path, Message: fmt.Sprintf("%q is not a country", m.Word),
				Fix: "use an ISO 3166-1 alpha-2 code, such as US, DE or GB",
			})
		}
	}
	return problems
}

func zoneSources(f *config.Fleet) []zone.Source {
	out := make([]zone.Source, len(f.Zones))
	for i, z := range f.Zones {
		out[i] = zone.Source{
			Name: z.Name, Text: z.Records.Value, File: z.Records.Pos.File, Line: z.Records.Pos.Line,
			DefaultTTL: seconds(z.TTL), SOA: soaOf(z), Counted: counted(f, z), Partial: z.Partial,
		}
		if out[i].File == "" {
			out[i].File, out[i].Line = z.Pos.File, z.Pos.Line
		}
		for _, ns := range z.NS {
			out[i].NS = append(out[i].NS, ns.Name)
		}
		for si, s := range f.Services {
			if s.Zone == z.Name {
				out[i].Steered = append(out[i].Steered, zone.SteeredName{
					Name: s.Name, Service: si, Alias: ofAliases(s), HTTPS: s.HTTPS != nil, SVCB: s.SVCB != nil,
					File: s.Pos.File, Line: s.Pos.Line, Col: s.Pos.Col,
				})
			}
		}
	}
	return out
}

// ofAliases tells whether a service leads to aliases, of which it has nothing else then.
func ofAliases(s config.Service) bool { return len(s.Endpoints) > 0 && s.Endpoints[0].Alias != "" }

func soaOf(z config.Zone) *zone.SOA {
	if z.SOA == nil {
		return nil
	}
	return &zone.SOA{
		MName: z.SOA.MName, RName: z.SOA.RName, Serial: z.SOA.Serial,
		Refresh: seconds(z.SOA.Refresh), Retry: seconds(z.SOA.Retry), Expire: seconds(z.SOA.Expire),
		Minimum: seconds(z.SOA.NegativeTTL), TTL: seconds(z.SOA.TTL),
	}
}

func seconds(d time.Duration) uint32 { return uint32(d / time.Second) }

func topologyOf(f *config.Fleet) *regions.Topology {
	t := &regions.Topology{
		Hash:  f.Hash,
		Brake: regions.Brake{Share: f.Brake.Share, Window: f.Brake.Window}, Damping: dampingOf(f.Damping),
	}
	checks := checksOf(f.Checks)
	index := map[string]int{}
	for i, r := range f.Regions {
		index[r.Name] = i
		t.Regions = append(t.Regions, regionOf(r, checks[r.Check]))
	}
	services := map[string]int{}
	for i, s := range f.Services {
		services[s.Name] = i
	}
	for _, s := range f.Services {
		out := serviceOf(s, index, checks[s.Check])
		out.Needs = indices(s.Needs, services)
		t.Services = append(t.Services, out)
	}
	return t
}

var allDown = map[string]regions.AllDown{
	config.AllDownFailOpen: regions.FailOpen,
	config.AllDownFallback: regions.Fallback,
	config.AllDownNoData:   regions.NoData,
	config.AllDownServFail: regions.ServFail,
}

func serviceOf(s config.Service, index map[string]int, check healthcheck.Check) regions.Service {
	out := regions.Service{
		Name: s.Name, TTLMin: seconds(s.TTLMin), TTLMax: seconds(s.TTLMax), Check: check,
		AllDown: allDown[s.AllDown], Fallback: slices.Clone(s.Fallback),
		HTTPS: (*regions.Binding)(s.HTTPS), SVCB: (*regions.Binding)(s.SVCB),
	}
	for _, stage := range s.Policy {
		out.Policy = append(out.Policy, stageOf(stage, index))
	}
	for _, e := range s.Endpoints {
		address := e.Alias
		if e.Addr.IsValid() {
			address = e.Addr.String()
		}
		out.Endpoints = append(out.Endpoints, regions.Endpoint{
			ID:     strings.TrimSuffix(s.Name, ".") + "/" + e.Region + "/" + strings.TrimSuffix(address, "."),
			Region: index[e.Region], Addr: e.Addr, Alias: e.Alias, Probe: e.Probe, Weight: e.Weight,
		})
	}
	return out
}

func stageOf(s config.Stage, index map[string]int) regions.Stage {
	out := regions.Stage{
		Kind: regions.StageKind(s.Kind), Fence: regions.Fence(s.Fence),
		Regions: indices(s.Regions, index), Count: s.Count, MinRegions: s.MinRegions,
	}
	for _, tier := range s.Tiers {
		out.Tiers = append(out.Tiers, indices(tier, index))
	}
	return out
}

func indices(names []string, index map[string]int) []int {
	var out []int
	for _, n := range names {
		out = append(out, index[n])
	}
	return out
}

func placeRules(f *config.Fleet) []geo.PlaceRule {
	byName := map[string]config.Region{}
	for _, r := range f.Regions {
		byName[r.Name] = r
	}
	out := make([]geo.PlaceRule, len(f.Places))
	for i, p := range f.Places {
		place := geo.Place{
			Point: geo.Point{Lat: p.Latitude, Lon: p.Longitude}, Located: p.Located,
			Country: p.Country, Continent: p.Continent, ASN: p.ASN,
		}
		if r, ok := byName[p.Region]; ok {
			place = geo.Place{Point: geo.Point{Lat: r.Latitude, Lon: r.Longitude}, Located: true, Country: r.Country, Continent: r.Continent}
		}
		if place.Continent == "" {
			place.Continent = geo.ContinentOf(place.Country)
		}
		if pt, ok := geo.CountryPoint(place.Country); ok && !place.Located {
			place.Point, place.Located = pt, true
		}
		out[i] = geo.PlaceRule{Prefix: p.Prefix, Place: place}
	}
	return out
}

// topologyID is the topology's part of an epoch, for logs.
func topologyID(t *regions.Topology) string {
	if _, err := hex.DecodeString(t.Hash); err != nil || len(t.Hash) < 8 {
		return t.Hash
	}
	return t.Hash[:8]
}

// hasRegion tells whether the topology knows the region by that name.
func hasRegion(t *regions.Topology, name string) bool {
	return slices.ContainsFunc(t.Regions, func(r regions.Region) bool { return r.Name == name })
}
