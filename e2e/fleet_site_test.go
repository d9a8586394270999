//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/steerdns/steerdns/admin"
	"github.com/steerdns/steerdns/healthcheck"
)

// fleet is a whole fleet in namespaces: three etcd members, six instances in
// three regions, two web servers in each.
type fleet struct {
	t         *testing.T
	dir       string
	site      *site
	members   []*unit
	instances []*unit
	webs      []*unit

	token string // of the etcd cluster
	quota string // of its members, in bytes; "": etcd's
	certs *certs // nil: plain
	text  string // of the fleet file in force
}

// unit is a process of the fleet, which may be killed and started again.
type unit struct {
	name, host string
	region     string
	site       *site
	command    func() (program string, args []string, err error)
	process    *process // nil before the first start
	stopped    bool
	version    string // members: of etcd
	joins      string // members: "new" or "existing"
	watch      *watch // instances: what they are asked
	logged     int    // length of its log when this block of the script began
}

// newFleet lays a fleet out and starts nothing.
func newFleet(t *testing.T, id string) *fleet {
	t.Helper()
	text, err := os.ReadFile("testdata/fleet/fleet.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{t: t, dir: t.TempDir(), token: "fleet", text: string(text)}
	f.site = newSite(t, id, f.dir)
	for i, region := range siteRegions {
		m := f.unit(fmt.Sprintf("etcd-%d", i+1), "", region)
		m.version, m.joins = ours, "new"
		m.command = func() (string, []string, error) {
			path, err := tool("etcd", m.version)
			return path, f.memberFlags(m), err
		}
		f.members = append(f.members, m)
		for n := range 2 {
			in := f.unit(fmt.Sprintf("%s-%d", region, n+1), "", region)
			in.command = func() (string, []string, error) {
				return program, []string{"serve", "--config", filepath.Join(f.dir, in.name+".yaml")}, nil
			}
			f.instances = append(f.instances, in)
			web := f.unit(fmt.Sprintf("%s-web-%d", region, n+1), region+"-web", region)
			web.command = func() (string, []string, error) {
				return program, []string{"backend", web.name, "--listen", f.site.node(web.host).addrs[n] + ":8080"}, nil
			}
			f.webs = append(f.webs, web)
		}
	}
	t.Cleanup(f.end)
	return f
}

func (f *fleet) unit(name, host, region string) *unit {
	if host == "" {
		host = name
	}
	return &unit{name: name, host: host, region: region, site: f.site}
}

func (f *fleet) units() (all []*unit) {
	all = append(all, f.members...)
	all = append(all, f.instances...)
	return append(all, f.webs...)
}

// end kills everything, and shows the last words after a failure.
func (f *fleet) end() {
	for _, u := range f.units() {
		u.kill()
		if f.t.Failed() && u.process != nil {
			f.t.Logf("%s said:\n%s", u.name, tail(u.process.said.String(), 12))
		}
	}
}

func (f *fleet) dataDir(name string) string { return filepath.Join(f.dir, name) }

// serve brings all up and waits until all is up and agreed.
func (f *fleet) serve() error {
	if err := f.writeConfigs(); err != nil {
		return err
	}
	for _, u := range f.units() {
		if err := u.start(); err != nil {
			return err
		}
	}
	if err := poll(patience, func() error { return f.apply(f.text) }); err != nil {
		return err
	}
	return poll(patience, f.whole)
}

func (f *fleet) writeConfigs() error {
	for _, in := range f.instances {
		tls := ""
		if f.certs != nil {
			tls = fmt.Sprintf(", ca: %s, cert: %s, key: %s", f.certs.path("ca.pem"), f.certs.path("client.pem"), f.certs.path("client.key"))
		}
		urls, err := json.Marshal(f.clientURLs(in.region))
		if err != nil {
			return err
		}
		text := fmt.Sprintf("name: %s\nregion: %s\nfleet: etcd\ndata: %s\nstore:\n  etcd: {endpoints: %s%s}\ndns: {listen: [\"%s:53\"], workers: 1}\nadmin: {listen: \"%s\"}\n",
			in.name, in.region, f.dataDir(in.name), urls, tls, in.address(), in.admin())
		if err := os.WriteFile(filepath.Join(f.dir, in.name+".yaml"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// apply applies a fleet file at whichever instance takes it.
func (f *fleet) apply(text string) error {
	path := filepath.Join(f.dir, "fleet.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	f.text = text
	_, err := f.verb(f.someInstance(), "apply", path)
	return err
}

// someInstance is one that runs.
func (f *fleet) someInstance() *unit {
	for _, in := range f.instances {
		if in.running() {
			return in
		}
	}
	return f.instances[0]
}

// verb runs a verb of steerdns against an instance, as an operator does.
func (f *fleet) verb(at *unit, args ...string) (string, error) {
	r := f.site.hub.steerdns(f.t, append(args, "--admin", at.admin())...)
	if r.status != 0 {
		return r.out, errors.New(strings.TrimSpace(r.errs))
	}
	return r.out, nil
}

// whole wants all endpoints up without doubt and all instances alike.
func (f *fleet) whole() error {
	for _, in := range f.instances {
		s, err := in.status()
		if err != nil {
			return fmt.Errorf("%s: %w", in.name, err)
		}
		if err := wholeStatus(s, len(f.instances)); err != nil {
			return fmt.Errorf("%s: %w", in.name, err)
		}
	}
	return nil
}

func wholeStatus(s admin.Status, instances int) error {
	if !s.Store.Connected || len(s.Instances) != instances || len(s.Overrides) > 0 {
		return fmt.Errorf("store connected %v, %d instances, %d overrides", s.Store.Connected, len(s.Instances), len(s.Overrides))
	}
	for _, other := range s.Instances {
		if !other.Alike {
			return fmt.Errorf("it is in epoch %s, %s in %s", s.Epoch, other.Name, other.Epoch)
		}
	}
	for _, e := range s.Endpoints {
		if e.State != healthcheck.Up || e.Suspect || e.Held || e.Demoted || e.Frozen || e.Drained != nil {
			return fmt.Errorf("%s is %+v", e.ID, e.Verdict)
		}
	}
	return nil
}

func (u *unit) address() string { return u.site.node(u.host).addrs[0] }
func (u *unit) admin() string   { return u.address() + ":8053" }

func (u *unit) status() (s admin.Status, err error) {
	code, body, err := u.site.hub.get(u.admin(), "/v1/status")
	if err == nil && code != 200 {
		err = fmt.Errorf("status %d: %s", code, body)
	}
	if err == nil {
		err = json.Unmarshal([]byte(body), &s)
	}
	return s, err
}

func (u *unit) running() bool { return u.process != nil && u.process.alive() && !u.stopped }

// start starts the process inside its host's namespace.
func (u *unit) start() error {
	if u.process != nil && u.process.alive() {
		return fmt.Errorf("%s runs already", u.name)
	}
	name, args, err := u.command()
	if err != nil {
		return err
	}
	u.process, err = spawn("ip", append([]string{"netns", "exec", string(u.site.node(u.host).ns), name}, args...)...)
	u.stopped, u.logged = false, 0
	return err
}

// kill is kill -9. What has not started or has ended stays so.
func (u *unit) kill() {
	if u.process == nil || !u.process.alive() {
		return
	}
	_ = u.process.cmd.Process.Kill() // it may have ended just now
	<-u.process.ended
}

// end is SIGTERM, and waits.
func (u *unit) end() {
	if u.process != nil {
		_ = u.process.end(syscall.SIGTERM) // one that must be killed was stopped
	}
}

// pause is SIGSTOP, resume SIGCONT.
func (u *unit) pause() error {
	u.stopped = true
	return u.process.cmd.Process.Signal(syscall.SIGSTOP)
}

func (u *unit) resume() error {
	u.stopped = false
	return u.process.cmd.Process.Signal(syscall.SIGCONT)
}

// stutter stops a process for a part of every second, as a slow disk does.
func (u *unit) stutter(stop, every, length time.Duration) error {
	for end := time.Now().Add(length); time.Now().Before(end); {
		if err := u.pause(); err != nil {
			return err
		}
		time.Sleep(stop)
		if err := u.resume(); err != nil {
			return err
		}
		time.Sleep(every - stop)
	}
	return nil
}
