package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/steerdns/steerdns/admin"
	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions/store"
)

// demoPatience is how long each step of the start may take.
const demoPatience = 60 * time.Second

// start brings everything up and returns when every instance answers, all
// endpoints are up, and all instances are in one epoch.
func (d *demoRun) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	d.voice.say("starting etcd, %d backends and %d instances (logs and configuration in %s)", len(d.plan.backends), len(d.plan.instances), d.plan.dir)
	if err := d.startStore(ctx); err != nil {
		return err
	}
	for _, b := range d.plan.backends {
		if err := d.crew.start(job{b.Name, "backend", []string{"backend", b.Name, "--listen", b.listen}}); err != nil {
			return err
		}
	}
	for _, in := range d.plan.instances {
		if err := d.crew.start(job{in.Name, "instance", []string{"serve", "--config", d.plan.instancePath(in.Name)}}); err != nil {
			return err
		}
	}
	d.voice.say("waiting until all instances answer and agree")
	return d.settle(ctx)
}

func (d *demoRun) startStore(ctx context.Context) error {
	err := d.crew.start(job{"etcd", "etcd", []string{"etcd", "--dir", filepath.Join(d.plan.dir, "etcd"), "--listen", d.plan.etcd}})
	if err != nil {
		return err
	}
	if err := d.await(ctx, "etcd", func() error { return dialOnce(d.plan.etcd) }); err != nil {
		return err
	}
	return applyFirst(ctx, d.plan)
}

func dialOnce(address string) error {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return err
}

// applyFirst stores the demo's fleet file, as `steerdns apply` does later.
func applyFirst(ctx context.Context, p demoPlan) error {
	a, err := loadFleet(p.fleetPath(), nil)
	if err != nil {
		return err
	}
	s, err := store.New(store.Options{Remote: store.Remote{Endpoints: []string{"http://" + p.etcd}}})
	if err != nil {
		return err
	}
	file := a.file
	file.By = "demo"
	_, err = s.Apply(ctx, file, -1)
	return err
}

// settle waits until every instance answers in one epoch with all up.
func (d *demoRun) settle(ctx context.Context) error {
	for _, in := range d.plan.instances {
		if err := d.await(ctx, in.Name, func() error { return answers(ctx, in) }); err != nil {
			return err
		}
	}
	for _, in := range d.plan.instances {
		if err := d.await(ctx, in.Name, func() error { return d.agrees(ctx, in) }); err != nil {
			return err
		}
	}
	return nil
}

// answers asks an instance for the demo's service over DNS.
func answers(ctx context.Context, in demoInstance) error {
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, in.DNS)
	}}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, err := r.LookupNetIP(ctx, "ip4", demoService+".")
	return err
}

func (d *demoRun) agrees(ctx context.Context, in demoInstance) error {
	s, err := admin.NewClient(in.Admin).Status(ctx)
	if err != nil {
		return err
	}
	if len(s.Instances) != len(d.plan.instances) {
		return fmt.Errorf("%s sees %d instances of %d", in.Name, len(s.Instances), len(d.plan.instances))
	}
	for _, other := range s.Instances {
		if !other.Alike {
			return fmt.Errorf("%s is in epoch %s, %s in %s", in.Name, s.Epoch, other.Name, other.Epoch)
		}
	}
	for _, e := range s.Endpoints {
		if e.State != healthcheck.Up {
			return fmt.Errorf("%s is %s: %s", e.ID, e.State, e.Reason)
		}
	}
	return nil
}

// await polls ok until it holds, the process ends, or time is over.
func (d *demoRun) await(ctx context.Context, name string, ok func() error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	gone := d.crew.gone(name)
	for {
		err := ok()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %s: %w\n%s", name, demoPatience, err, d.lastWords(name))
		case <-gone:
			return fmt.Errorf("%s ended while starting\n%s", name, d.lastWords(name))
		case <-tick.C:
		}
	}
}

// lastWords is the end of a process's log.
func (d *demoRun) lastWords(name string) string {
	text, err := os.ReadFile(d.crew.logPath(name))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return "its last words:\n  " + strings.Join(lines[max(0, len(lines)-5):], "\n  ")
}

// writeDemoState describes the demo to scripts; the file appears whole.
func writeDemoState(path string, p demoPlan, c *crew) error {
	out := struct {
		Instances []demoInstance `json:"instances"`
		Backends  []demoBackend  `json:"backends"`
		Etcd      any            `json:"etcd"`
		Control   string         `json:"control"`
		Dir       string         `json:"dir"`
	}{Control: p.control, Dir: p.dir}
	for _, in := range p.instances {
		in.PID = c.pid(in.Name)
		out.Instances = append(out.Instances, in)
	}
	for _, b := range p.backends {
		b.PID = c.pid(b.Name)
		out.Backends = append(out.Backends, b)
	}
	out.Etcd = map[string]any{"address": p.etcd, "pid": c.pid("etcd")}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	temp := path + ".new"
	if err := os.WriteFile(temp, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the state: %w", err)
	}
	return os.Rename(temp, path)
}

// control lets `steerdns demo start` reach this demo.
func (d *demoRun) control() (stop func(), err error) {
	ln, err := net.Listen("tcp", d.plan.control)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /start", func(w http.ResponseWriter, r *http.Request) {
		pid, err := d.crew.restart(r.FormValue("name"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		d.voice.say("started %s, pid %d", r.FormValue("name"), pid)
		fmt.Fprint(w, pid)
	})
	srv := &http.Server{Handler: http.NewCrossOriginProtection().Handler(mux), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = srv.Serve(ln) }() // ends with Close
	return func() { _ = srv.Close() }, nil
}

// askStart asks a running demo to start one of its processes again.
func askStart(ctx context.Context, control, name string) (int, error) {
	target := "http://" + control + "/start?" + url.Values{"name": {name}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("no demo answers at %s (is it running? --control names another address)", control)
	}
	defer resp.Body.Close()
	var pid int
	if resp.StatusCode == http.StatusOK {
		_, err = fmt.Fscan(resp.Body, &pid)
		return pid, err
	}
	why, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return 0, err
	}
	return 0, errors.New(strings.TrimSpace(string(why)))
}
