//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/steerdns/steerdns/admin"
	"github.com/steerdns/steerdns/healthcheck"
)

// service is the demo's.
const service = "www.gslb.example.com."

// part is an instance or a backend of a demo.
type part struct {
	Name, Region string
	DNS, Admin   string   // instances
	Addresses    []string // backends
	PID          int
}

// demo is a running `steerdns demo`.
type demo struct {
	*process
	dir       string // of the tests, not of the demo
	Instances []*part
	Backends  []*part
	Etcd      struct {
		Address string
		PID     int
	}
	Control string
	Dir     string
}

// launch starts a demo and waits until it says that everything answers.
func launch(args ...string) (*demo, error) {
	dir, err := os.MkdirTemp("", "steerdns-e2e-demo-")
	if err != nil {
		return nil, err
	}
	state := filepath.Join(dir, "state.json")
	p, err := spawn(program, append([]string{"demo", "--ports", "0", "--state", state}, args...)...)
	if err != nil {
		return nil, err
	}
	d := &demo{process: p, dir: dir}
	err = poll(2*patience, func() error {
		text, err := os.ReadFile(state)
		if err == nil {
			return json.Unmarshal(text, d)
		}
		if !p.alive() {
			return nil
		}
		return err
	})
	if err == nil && d.Dir == "" {
		err = errors.New("the demo ended: " + p.said.String())
	}
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// close ends the demo as Ctrl-C does and wants every process of it gone.
func (d *demo) close() error {
	err := d.end(syscall.SIGINT)
	for _, pid := range d.pids() {
		if gone := poll(10*time.Second, func() error { return absent(pid) }); gone != nil {
			err = errors.Join(err, gone)
		}
	}
	if d.Dir != "" { // a demo that is killed leaves it
		err = errors.Join(err, os.RemoveAll(d.Dir))
	}
	return errors.Join(err, os.RemoveAll(d.dir))
}

func absent(pid int) error {
	if exists(pid) {
		return fmt.Errorf("process %d is still there", pid)
	}
	return nil
}

func (d *demo) pids() (list []int) {
	for _, p := range slices.Concat(d.Instances, d.Backends) {
		list = append(list, p.PID)
	}
	if d.Etcd.PID != 0 {
		list = append(list, d.Etcd.PID)
	}
	return list
}

// shared is the demo that most scenarios use one after the other. Each finds
// it whole, and brings back what it broke; after a scenario that failed the
// next one gets a new demo.
type shared struct{ demo *demo }

var common shared

func (s *shared) stop() error {
	if s.demo == nil {
		return nil
	}
	d := s.demo
	s.demo = nil
	return d.close()
}

// wholeDemo is a demo in which all is up and all instances agree.
func wholeDemo(t *testing.T) *demo {
	t.Helper()
	if common.demo == nil {
		d, err := launch()
		if err != nil {
			t.Fatal(err)
		}
		common.demo = d
	}
	d := common.demo
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		t.Logf("the demo said:\n%s", tail(d.said.String(), 40))
		if err := common.stop(); err != nil {
			t.Log(err)
		}
	})
	d.awaitWhole(t)
	return d
}

// awaitWhole waits until all instances agree that everything is up.
func (d *demo) awaitWhole(t *testing.T) {
	t.Helper()
	await(t, patience, "the demo is whole", func() error {
		for _, in := range d.Instances {
			if err := d.whole(in); err != nil {
				return fmt.Errorf("%s: %w", in.Name, err)
			}
		}
		return nil
	})
}

func (d *demo) whole(in *part) error {
	s, err := in.status()
	if err != nil {
		return err
	}
	if !s.Store.Connected || len(s.Instances) != len(d.Instances) || len(s.Overrides) > 0 {
		return fmt.Errorf("store connected %v, %d instances, %d overrides", s.Store.Connected, len(s.Instances), len(s.Overrides))
	}
	for _, other := range s.Instances {
		if !other.Alike {
			return fmt.Errorf("is in epoch %s, %s in %s", s.Epoch, other.Name, other.Epoch)
		}
	}
	for _, e := range s.Endpoints {
		if e.State != healthcheck.Up || e.Suspect || e.Held || e.Demoted || e.Drained != nil {
			return fmt.Errorf("%s is %+v", e.ID, e.Verdict)
		}
	}
	return nil
}

func (p *part) status() (admin.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return admin.NewClient(p.Admin).Status(ctx)
}

// get reads one page of the admin surface.
func get(address, path string) (status int, body string, err error) {
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get("http://" + address + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// metric adds up all series of a metric whose line holds every given word.
func metric(t testing.TB, address, name string, with ...string) float64 {
	t.Helper()
	_, body, err := get(address, "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	return sumMetric(body, name, with...)
}

func sumMetric(body, name string, with ...string) (sum float64) {
	for line := range strings.Lines(body) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if bare, _, _ := strings.Cut(series, "{"); bare != name || strings.HasPrefix(line, "#") {
			continue
		}
		if i := strings.LastIndex(line, "} "); i >= 0 {
			value = strings.TrimSpace(line[i+2:])
		}
		if slices.ContainsFunc(with, func(w string) bool { return !strings.Contains(line, w) }) {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err == nil {
			sum += v
		}
	}
	return sum
}

// find is the part of that name.
func (d *demo) find(t testing.TB, name string) *part {
	t.Helper()
	for _, p := range slices.Concat(d.Instances, d.Backends) {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("the demo has no %q", name)
	return nil
}

// signal sends a signal to parts by name; "etcd" is one of them.
func (d *demo) signal(t testing.TB, sig syscall.Signal, names ...string) {
	t.Helper()
	for _, name := range names {
		pid := d.Etcd.PID
		if name != "etcd" {
			pid = d.find(t, name).PID
		}
		if err := syscall.Kill(pid, sig); err != nil {
			t.Fatalf("signal %v to %s: %v", sig, name, err)
		}
	}
}

// revive brings back parts that have ended, by `steerdns demo start`.
func (d *demo) revive(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		var out string
		await(t, patience, "start of "+name, func() error {
			r := steerdns(t, "demo", "start", name, "--control", d.Control)
			if out = r.out; r.status != 0 {
				return errors.New(r.errs)
			}
			return nil
		})
		_, text, _ := strings.Cut(strings.TrimSpace(out), "pid ")
		pid, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("no pid in %q", out)
		}
		if name == "etcd" {
			d.Etcd.PID = pid
			continue
		}
		d.find(t, name).PID = pid
	}
}

// regionOf tells whose address it is; "" when nobody's.
func (d *demo) regionOf(address string) string {
	for _, b := range d.Backends {
		if slices.Contains(b.Addresses, address) {
			return b.Region
		}
	}
	return ""
}

// log is what an instance of the demo wrote.
func (d *demo) log(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(d.Dir, name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
