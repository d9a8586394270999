package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// memory is a backend without a store: what is written is only kept.
type memory struct {
	world     *regions.World
	picture   *regions.Picture
	facts     Facts
	overrides []regions.Override
	applied   []FleetRequest
	refuse    error
	accepted  uint64
	onRefusal func() // called once after a refusal
}

func (m *memory) World() *regions.World     { return m.world }
func (m *memory) Picture() *regions.Picture { return m.picture }
func (m *memory) Facts() Facts              { return m.facts }
func (m *memory) Locate() (Locator, bool)   { return Locator{}, false }
func (m *memory) AcceptCluster(id uint64) error {
	m.accepted = id
	return m.refuse
}
func (m *memory) Apply(_ context.Context, r FleetRequest) (regions.FleetFile, error) {
	m.applied = append(m.applied, r)
	return regions.FleetFile{N: 7, By: r.By, Text: r.Text}, m.refuse
}
func (m *memory) History(context.Context) ([]regions.FleetFile, error) {
	return []regions.FleetFile{{N: 1}}, m.refuse
}
func (m *memory) PutOverride(_ context.Context, o regions.Override, _ int64, _ bool) error {
	err := m.refuse
	if err == nil {
		m.overrides = append(m.overrides, o)
	} else if m.onRefusal != nil {
		m.onRefusal()
	}
	return err
}
func (m *memory) DeleteOverride(_ context.Context, kind regions.OverrideKind, name string) (regions.Override, bool, error) {
	for _, o := range m.overrides {
		if o.Kind == kind && o.Name == name {
			return o, true, m.refuse
		}
	}
	return regions.Override{}, false, m.refuse
}

// twoRegions is a world of one service with an address in east and in west.
func twoRegions() *regions.World {
	t := &regions.Topology{
		Hash:    "0123456789abcdef",
		Regions: []regions.Region{{Name: "east", Capacity: 1, MinUp: .5}, {Name: "west", Capacity: 1, MinUp: .5}},
		Services: []regions.Service{{
			Name: "www.gslb.example.com.", TTLMin: 5, TTLMax: 30, Policy: regions.DefaultPolicy(),
			Endpoints: []regions.Endpoint{
				{ID: "www.gslb.example.com/east/192.0.2.1", Region: 0, Addr: netip.MustParseAddr("192.0.2.1"), Weight: 1},
				{ID: "www.gslb.example.com/west/198.51.100.1", Region: 1, Addr: netip.MustParseAddr("198.51.100.1"), Weight: 1},
			},
		}},
		Brake: regions.Brake{Share: .5, Window: time.Minute},
	}
	ballots := []regions.Ballot{}
	for _, r := range []string{"east", "west"} {
		ballots = append(ballots, regions.Ballot{Instance: r + "-1", Region: r, Votes: map[string]healthcheck.Vote{
			"www.gslb.example.com/east/192.0.2.1":    {State: healthcheck.Up, Reason: "status 200"},
			"www.gslb.example.com/west/198.51.100.1": {State: healthcheck.Up, Reason: "status 200"},
		}})
	}
	return regions.Judge(regions.Input{
		Topology: t, Picture: &regions.Picture{Cluster: 1, Revision: 1, Ballots: ballots}, Ballots: ballots,
		Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	})
}

func newMemory() *memory {
	w := twoRegions()
	return &memory{
		world: w,
		picture: &regions.Picture{Revision: 9, Instances: []regions.Instance{
			{Name: "east-1", Region: "east", Epoch: "a"}, {Name: "west-1", Region: "west", Epoch: "b", Geo: "other"},
		}},
		facts: Facts{Instance: "east-1", Region: "east", Version: "0", Epoch: "a", Alive: true, Ready: true,
			Store: StoreStatus{Kind: "etcd", Connected: true}, Geo: GeoStatus{Digest: "mine"}},
	}
}

func serve(t *testing.T, m *memory) *httptest.Server {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(NewCollector(m))
	log := slog.New(slog.DiscardHandler)
	s := httptest.NewServer(NewServer(m, promhttp.HandlerFor(reg, promhttp.HandlerOpts{}), log).Handler())
	t.Cleanup(s.Close)
	return s
}

func clientOf(s *httptest.Server) *Client { return NewClient(strings.TrimPrefix(s.URL, "http://")) }

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestStatusTellsWhatDiffers(t *testing.T) {
	m := newMemory()
	st, err := clientOf(serve(t, m)).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !st.Instances[0].Self || !st.Instances[0].Alike || st.Instances[1].Alike {
		t.Errorf("instances %+v: want east-1 as self and west-1 in another epoch", st.Instances)
	}
	if len(st.Notes) != 1 || !strings.Contains(st.Notes[0], "west-1 uses other geography data") {
		t.Errorf("notes %q", st.Notes)
	}
	if st.Regions[0].Up != 1 || st.Regions[0].Total != 1 || st.Endpoints[1].Address != "198.51.100.1" {
		t.Errorf("regions %+v, endpoints %+v", st.Regions, st.Endpoints)
	}
}

func TestStatusBeforeAnyWorld(t *testing.T) {
	m := &memory{facts: Facts{NotReady: "the store has not answered", Store: StoreStatus{Reason: "refused"}}}
	s := serve(t, m)
	if code, body := get(t, s.URL+"/v1/status"); code != http.StatusOK || strings.Contains(body, "null,") && !strings.Contains(body, `"fleet": null`) {
		t.Errorf("status %d %s", code, body)
	}
	if code, body := get(t, s.URL+"/readyz"); code != http.StatusServiceUnavailable || body != "the store has not answered\n" {
		t.Errorf("readyz %d %q", code, body)
	}
	if code, _ := get(t, s.URL+"/v1/explain?name=x&from=192.0.2.1"); code != http.StatusServiceUnavailable {
		t.Errorf("explain %d, want 503", code)
	}
	if code, body := get(t, s.URL+"/metrics"); code != http.StatusOK || strings.Contains(body, "\nsteerdns_state_age_seconds") {
		t.Errorf("metrics %d, or an age of a state that there is not", code)
	}
	st, err := clientOf(s).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := "the store is away (refused), and there is no state: what is steered is not answered"; !slices.Contains(st.Notes, want) {
		t.Errorf("notes %q, want %q", st.Notes, want)
	}
}

func TestHealthAndReadiness(t *testing.T) {
	m := newMemory()
	m.facts.Store.Connected = false // readiness does not depend on the store
	s := serve(t, m)
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, body := get(t, s.URL+path); code != http.StatusOK || body != "ok\n" {
			t.Errorf("%s: %d %q", path, code, body)
		}
	}
}

func TestMetricsAndPage(t *testing.T) {
	m := newMemory()
	s := serve(t, m)
	code, body := get(t, s.URL+"/metrics")
	for _, want := range []string{
		`steerdns_region_verdict{region="east",state="up"} 1`,
		`steerdns_endpoint_verdict{address="198.51.100.1",region="west",service="www.gslb.example.com",state="down"} 0`,
		`steerdns_store_connected{kind="etcd"} 1`, `steerdns_store_refused{kind="etcd"} 0`, `steerdns_epoch_info{epoch="a"} 1`, `steerdns_instances{region="west"} 1`,
	} {
		if code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("metrics (%d) lack %s", code, want)
		}
	}
	m.world.Overrides = []regions.Override{{Kind: "region", Name: "west", Owner: "<b>alice</b>", Reason: "x"}}
	if code, body = get(t, s.URL+"/"); code != http.StatusOK || !strings.Contains(body, "&lt;b&gt;alice") || strings.Contains(body, "<b>alice") {
		t.Errorf("page (%d) does not escape what operators write:\n%s", code, body)
	}
}

func TestForeignOriginIsRefused(t *testing.T) {
	m := newMemory()
	s := serve(t, m)
	req, err := http.NewRequest(http.MethodPut, s.URL+"/v1/overrides", strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://www.example.net")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden || len(m.overrides) != 0 {
		t.Errorf("a page of another origin got %d", resp.StatusCode)
	}
}

func TestDrain(t *testing.T) {
	for _, test := range []struct {
		name string
		req  OverrideRequest
		want string // of the refusal; "" for success
	}{
		{"region", OverrideRequest{Kind: "region", Name: "east"}, ""},
		{"endpoint", OverrideRequest{Kind: "endpoint", Name: "www.gslb.example.com/east/192.0.2.1"}, ""},
		{"no reason", OverrideRequest{Kind: "region", Name: "east", Reason: " "}, "say why"},
		{"no owner", OverrideRequest{Kind: "region", Name: "east", Owner: " "}, "say who"},
		{"unprintable reason", OverrideRequest{Kind: "region", Name: "east", Reason: "a bell \a"}, "say why: --reason with 1 to 200 bytes of printable text"},
		{"unprintable owner", OverrideRequest{Kind: "region", Name: "east", Owner: "a\nb"}, "say who: --owner with 1 to 64 bytes of printable text"},
		{"no end", OverrideRequest{Kind: "region", Name: "east", For: "always"}, "must end by itself"},
		{"too many days", OverrideRequest{Kind: "region", Name: "east", For: "91d"}, "must end by itself"},
		{"too long", OverrideRequest{Kind: "region", Name: "east", For: "100000h"}, "must end by itself"},
		{"unknown", OverrideRequest{Kind: "region", Name: "north"}, `no region "north" (it has: east, west)`},
		{"odd kind", OverrideRequest{Kind: "planet", Name: "x"}, "not a kind"},
		{"two have to stay", OverrideRequest{Kind: "region", Name: "east", Keep: 2}, "leave www.gslb.example.com 1 of the 2 regions that have to stay up"},
		{"one has to stay", OverrideRequest{Kind: "region", Name: "east", Keep: 1}, ""},
		{"keep and force", OverrideRequest{Kind: "region", Name: "east", Keep: 1, Force: true}, "give one of them"},
		{"keep too much", OverrideRequest{Kind: "region", Name: "east", Keep: 300}, "from 1 to 256"},
		{"pin", OverrideRequest{Kind: "region", Name: "east", Action: "up"}, ""},
		{"pin of a service", OverrideRequest{Kind: "service", Name: "www.gslb.example.com", Action: "up"}, ""},
		{"pin with keep", OverrideRequest{Kind: "region", Name: "east", Action: "up", Keep: 1}, "no meaning here"},
		{"odd action", OverrideRequest{Kind: "region", Name: "east", Action: "down"}, "not an action"},
		{"failback of what does not wait", OverrideRequest{Kind: "failback", Name: "east"}, "comes back by itself"},
		{"failback of nothing", OverrideRequest{Kind: "failback", Name: "north"}, `no region "north"`},
		{"failback with an action", OverrideRequest{Kind: "failback", Name: "east", Action: "up"}, "no action"},
		{"whole service", OverrideRequest{Kind: "service", Name: "WWW.gslb.example.com."}, "no fallback set"},
		{"by force", OverrideRequest{Kind: "service", Name: "WWW.gslb.example.com.", Force: true}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newMemory()
			r := test.req
			orText(&r.Reason, "maintenance")
			orText(&r.Owner, "alice")
			orText(&r.For, "10m")
			o, err := clientOf(serve(t, m)).PutOverride(t.Context(), r)
			if test.want == "" {
				if err != nil || len(m.overrides) != 1 || o.Expires.Sub(o.Created) != 10*time.Minute {
					t.Fatalf("%+v, %v", o, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || len(m.overrides) != 0 {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func orText(s *string, otherwise string) {
	if *s == "" {
		*s = otherwise
	}
}

func TestLastRegionIsNotDrainedByAccident(t *testing.T) {
	m := newMemory()
	m.world.Overrides = []regions.Override{{Kind: "region", Name: "east", Expires: time.Now().Add(time.Minute)}}
	r := OverrideRequest{Kind: "region", Name: "west", Owner: "bob", Reason: "x", For: "1m"}
	c := clientOf(serve(t, m))
	if _, err := c.PutOverride(t.Context(), r); err == nil || !strings.Contains(err.Error(), "without a region that is up") {
		t.Errorf("draining the last region: %v", err)
	}
	r.Force = true
	if o, err := c.PutOverride(t.Context(), r); err != nil || !o.Forced {
		t.Errorf("by force: %+v, %v", o, err)
	}
}

// A write that lost a race is checked again, against the world that holds
// what the other wrote.
func TestDrainIsCheckedAgainWhenOverridesChanged(t *testing.T) {
	m := newMemory()
	m.refuse = ErrStale
	m.onRefusal = func() { // the other operator drained west meanwhile
		w := *m.world
		w.Revision++
		w.Overrides = []regions.Override{{Kind: "region", Name: "west", Owner: "bob", Expires: time.Now().Add(time.Minute)}}
		m.world, m.refuse = &w, nil
	}
	r := OverrideRequest{Kind: "region", Name: "east", Owner: "alice", Reason: "x", For: "1m"}
	_, err := clientOf(serve(t, m)).PutOverride(t.Context(), r)
	if err == nil || !strings.Contains(err.Error(), "without a region that is up") || len(m.overrides) != 0 {
		t.Errorf("got %v and %v: both regions may be drained now", err, m.overrides)
	}
}

func TestFailbackOfWhatWaits(t *testing.T) {
	m := newMemory()
	top := *m.world.Topology
	top.Regions = append([]regions.Region(nil), top.Regions...)
	top.Regions[0].Recovery.Failback = regions.FailbackManual
	m.world.Topology = &top
	o, err := clientOf(serve(t, m)).PutOverride(t.Context(), OverrideRequest{Kind: "failback", Name: "east", Owner: "bob", Reason: "checked", For: "1h"})
	if err != nil || len(m.overrides) != 1 || o.Kind != regions.OverrideFailback {
		t.Errorf("%+v, %v", o, err)
	}
}

// Who ends a pin does not end somebody's drain by mistake.
func TestEndTheRightOverride(t *testing.T) {
	m := newMemory()
	m.overrides = []regions.Override{{Kind: "region", Name: "east", Owner: "alice", Reason: "rack"}}
	m.world.Overrides = m.overrides
	c := clientOf(serve(t, m))
	if _, err := c.EndOverride(t.Context(), "region", "east", regions.ActionPin); err == nil || !strings.Contains(err.Error(), "drained by alice: rack") {
		t.Errorf("unpin of a drain: %v", err)
	}
	if _, err := c.EndOverride(t.Context(), "region", "east", regions.ActionDrain); err != nil {
		t.Errorf("undrain: %v", err)
	}
}

func TestUndrainAndApply(t *testing.T) {
	m := newMemory()
	m.overrides = []regions.Override{{Kind: "region", Name: "east", Owner: "alice"}}
	c := clientOf(serve(t, m))
	if o, err := c.DeleteOverride(t.Context(), "region", "east"); err != nil || o.Owner != "alice" {
		t.Errorf("undrain: %+v, %v", o, err)
	}
	if _, err := c.DeleteOverride(t.Context(), "region", "west"); err == nil || !strings.Contains(err.Error(), "no override on region west") {
		t.Errorf("undrain of what is not drained: %v", err)
	}
	if f, err := c.Apply(t.Context(), FleetRequest{Text: "zones: []", By: "alice"}); err != nil || f.N != 7 || f.Text != "" {
		t.Errorf("apply: %+v, %v", f, err)
	}
	m.refuse = &Refusal{http.StatusConflict, "number 8 by bob is in force"}
	_, err := c.Apply(t.Context(), FleetRequest{})
	if r, ok := errors.AsType[*Refusal](err); !ok || r.Status != http.StatusConflict || err.Error() != "number 8 by bob is in force" {
		t.Errorf("lost race: %v", err)
	}
}

func TestBodiesAreBoundedAndStrict(t *testing.T) {
	s := serve(t, newMemory())
	for name, body := range map[string]string{
		"unknown field": `{"kind": "region", "nmae": "east"}`,
		"not JSON":      `kind=region`,
		"too large":     `{"text": "` + strings.Repeat("x", maxBody) + `"}`,
	} {
		req, err := http.NewRequest(http.MethodPut, s.URL+"/v1/overrides", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var r Refusal
		err = json.NewDecoder(resp.Body).Decode(&r)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest || err != nil || r.Message == "" {
			t.Errorf("%s: %d %v %q", name, resp.StatusCode, err, r.Message)
		}
	}
}

// The revision is the one that was applied, not one that was refused.
func TestStatusRevisionIsTheAppliedOne(t *testing.T) {
	m := newMemory()
	m.picture.Revision = 9
	if s := MakeStatus(m.world, m.picture, m.facts); s.Revision != m.world.Revision {
		t.Errorf("revision %d, want the world's %d", s.Revision, m.world.Revision)
	}
}
