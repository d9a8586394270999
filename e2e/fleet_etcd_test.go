//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ours is the version of etcd that steerdns is built with.
const ours = "3.7"

// builds makes each program once for all tests, from the versions that
// .ci/etcd-VERSION.mod pins.
var builds struct {
	sync.Mutex
	done map[string]error
}

// tool is the path of etcd, etcdctl or etcdutl of a version. 3.4 is the
// system's.
func tool(name, version string) (string, error) {
	if version == "3.4" {
		return exec.LookPath(name)
	}
	path := filepath.Join(filepath.Dir(program), name+"-"+version)
	builds.Lock()
	defer builds.Unlock()
	err, done := builds.done[path]
	if !done {
		err = build(path, name, version)
		if builds.done == nil {
			builds.done = map[string]error{}
		}
		builds.done[path] = err
	}
	return path, err
}

func build(path, name, version string) error {
	room := map[string]string{"etcd": "server"}[name]
	if room == "" {
		room = name
	}
	cmd := exec.Command("go", "build", "-modfile=../.ci/etcd-"+version+".mod", "-o", path, "go.etcd.io/etcd/"+room+"/v3")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s %s: %w\n%s", name, version, err, out)
	}
	return nil
}

// memberFlags are the flags of a member; all versions know them.
func (f *fleet) memberFlags(m *unit) []string {
	ip := f.site.node(m.name).addrs[0]
	flags := []string{
		"--name", m.name, "--data-dir", f.dataDir(m.name),
		"--listen-client-urls", f.scheme() + ip + ":2379", "--advertise-client-urls", f.scheme() + ip + ":2379",
		"--listen-peer-urls", "http://" + ip + ":2380", "--initial-advertise-peer-urls", "http://" + ip + ":2380",
		"--initial-cluster", f.initialCluster(), "--initial-cluster-token", f.token, "--initial-cluster-state", m.joins,
	}
	if f.quota != "" {
		flags = append(flags, "--quota-backend-bytes", f.quota)
	}
	if f.certs != nil {
		flags = append(flags, "--cert-file", f.certs.path("server.pem"), "--key-file", f.certs.path("server.key"),
			"--trusted-ca-file", f.certs.path("ca.pem"), "--client-cert-auth")
	}
	return flags
}

func (f *fleet) scheme() string {
	if f.certs != nil {
		return "https://"
	}
	return "http://"
}

func (f *fleet) initialCluster() string {
	var list []string
	for _, m := range f.members {
		list = append(list, fmt.Sprintf("%s=http://%s:2380", m.name, f.site.node(m.name).addrs[0]))
	}
	return strings.Join(list, ",")
}

// clientURLs are the members' endpoints, those of the same region first.
func (f *fleet) clientURLs(region string) (list []string) {
	for _, m := range f.members {
		url := f.scheme() + f.site.node(m.name).addrs[0] + ":2379"
		if f.site.node(m.name).region == region {
			list = append([]string{url}, list...)
		} else {
			list = append(list, url)
		}
	}
	return list
}

// etcdctl runs an operator's command against some members, or all.
func (f *fleet) etcdctl(stdin string, members []string, args ...string) (string, error) {
	path, err := tool("etcdctl", ours)
	if err != nil {
		return "", err
	}
	urls := f.clientURLs("")
	if members != nil {
		urls = nil
		for _, m := range members {
			urls = append(urls, f.scheme()+f.site.node(m).addrs[0]+":2379")
		}
	}
	all := []string{"netns", "exec", string(f.site.hub), path, "--endpoints", strings.Join(urls, ","), "--command-timeout", "5s", "--dial-timeout", "2s"}
	if f.certs != nil {
		all = append(all, "--cacert", f.certs.path("ca.pem"), "--cert", f.certs.path("operator.pem"), "--key", f.certs.path("operator.key"))
	}
	cmd := exec.Command("ip", append(all, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("etcdctl %s: %s", strings.Join(args, " "), strings.TrimSpace(string(exit.Stderr)))
	}
	return string(out), err
}

// memberStatus is what one member says of itself.
type memberStatus struct {
	Endpoint string
	Status   struct {
		Header struct {
			ClusterID uint64 `json:"cluster_id"`
			MemberID  uint64 `json:"member_id"`
		} `json:"header"`
		Leader  uint64 `json:"leader"`
		Version string `json:"version"`
	}
}

// memberStatuses asks the members that run.
func (f *fleet) memberStatuses() ([]memberStatus, error) {
	var names []string
	for _, m := range f.members {
		if m.running() {
			names = append(names, m.name)
		}
	}
	out, err := f.etcdctl("", names, "endpoint", "status", "-w", "json")
	var list []memberStatus
	if jsonErr := json.Unmarshal([]byte(out), &list); jsonErr != nil && err == nil {
		err = jsonErr
	}
	if len(list) > 0 {
		err = nil // some answered
	}
	return list, err
}

// expectBallots: expect ballots N: so many instances' votes are in etcd.
func expectBallots(s *story, words []string) error {
	want, err := strconv.Atoi(words[0])
	if err != nil {
		return err
	}
	out, err := s.etcdctl("", nil, "get", "--prefix", "--keys-only", "/steerdns/votes/")
	if err != nil {
		return err
	}
	if keys := strings.Fields(out); len(keys) != want {
		return fmt.Errorf("etcd holds %d: %s", len(keys), strings.Join(keys, " "))
	}
	return nil
}

// leader is the name of the member that leads, or not: "" while there is none.
func (f *fleet) leader() (string, error) {
	list, err := f.memberStatuses()
	if err != nil {
		return "", err
	}
	for _, s := range list {
		if s.Status.Leader != 0 && s.Status.Leader == s.Status.Header.MemberID {
			return f.memberAt(s.Endpoint), nil
		}
	}
	return "", errors.New("no member says that it leads")
}

func (f *fleet) memberAt(endpoint string) string {
	for _, n := range f.site.nodes {
		if strings.Contains(endpoint, "//"+n.addrs[0]+":") {
			return n.name
		}
	}
	return ""
}

// awaitHealthy waits until a member answers for the whole cluster.
func (f *fleet) awaitHealthy(member string) error {
	return poll(patience, func() error {
		_, err := f.etcdctl("", []string{member}, "endpoint", "health")
		return err
	})
}

// fill writes until the cluster has no room.
func (f *fleet) fill() error {
	value := strings.Repeat("x", 1<<20)
	for n := range 1000 {
		_, err := f.etcdctl(value, nil, "put", fmt.Sprintf("/fill/%d", n))
		switch {
		case err == nil:
		case strings.Contains(err.Error(), "space exceeded"):
			return nil
		default:
			return err
		}
	}
	return errors.New("1 GB was written and etcd is not full")
}

// makeRoom is what an operator does about a full etcd.
func (f *fleet) makeRoom() error {
	if _, err := f.etcdctl("", nil, "del", "--prefix", "/fill/"); err != nil {
		return err
	}
	out, err := f.etcdctl("", nil, "get", "/", "-w", "json")
	if err != nil {
		return err
	}
	var answer struct {
		Header struct {
			Revision int64 `json:"revision"`
		} `json:"header"`
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		return err
	}
	if _, err := f.etcdctl("", nil, "compact", "--physical", fmt.Sprint(answer.Header.Revision)); err != nil {
		return err
	}
	for _, m := range f.members {
		if _, err := f.etcdctl("", []string{m.name}, "defrag"); err != nil {
			return err
		}
	}
	_, err = f.etcdctl("", nil, "alarm", "disarm")
	return err
}

// backup saves the cluster to a file.
func (f *fleet) backup(name string) error {
	_, err := f.etcdctl("", []string{f.members[0].name}, "snapshot", "save", f.backupFile(name))
	return err
}

func (f *fleet) backupFile(name string) string { return filepath.Join(f.dir, name+".backup") }

// restore replaces all members' data by a backup and starts them.
func (f *fleet) restore(name string, more ...string) error {
	path, err := tool("etcdutl", ours)
	if err != nil {
		return err
	}
	for _, m := range f.members {
		if err := f.wipe(m); err != nil {
			return err
		}
		args := append([]string{
			"snapshot", "restore", f.backupFile(name), "--name", m.name, "--data-dir", f.dataDir(m.name),
			"--initial-cluster", f.initialCluster(), "--initial-cluster-token", f.token,
			"--initial-advertise-peer-urls", fmt.Sprintf("http://%s:2380", f.site.node(m.name).addrs[0]),
		}, more...)
		if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("etcdutl: %w\n%s", err, out)
		}
	}
	for _, m := range f.members {
		if err := m.start(); err != nil {
			return err
		}
	}
	return nil
}

// wipe kills a member and loses its disk.
func (f *fleet) wipe(m *unit) error {
	m.kill()
	return os.RemoveAll(f.dataDir(m.name))
}

// replace makes a wiped member a new one of the cluster.
func (f *fleet) replace(m *unit) error {
	others := []string{}
	for _, o := range f.members {
		if o != m {
			others = append(others, o.name)
		}
	}
	out, err := f.etcdctl("", others, "member", "list")
	if err != nil {
		return err
	}
	for line := range strings.Lines(out) {
		if fields := strings.Split(line, ", "); len(fields) > 2 && fields[2] == m.name {
			if _, err := f.etcdctl("", others, "member", "remove", fields[0]); err != nil {
				return err
			}
		}
	}
	err = poll(patience, func() error { // a cluster that just changed wants a moment
		_, err := f.etcdctl("", others, "member", "add", m.name, "--peer-urls", fmt.Sprintf("http://%s:2380", f.site.node(m.name).addrs[0]))
		return err
	})
	if err != nil {
		return err
	}
	m.joins = "existing"
	if err := m.start(); err != nil {
		return err
	}
	return f.awaitHealthy(m.name)
}

// clusterVersion is what all members agreed to speak.
func (f *fleet) clusterVersion() (string, error) {
	_, body, err := f.site.hub.get(f.site.node("etcd-1").addrs[0]+":2379", "/version")
	var v struct {
		Cluster string `json:"etcdcluster"`
	}
	if err == nil {
		err = json.Unmarshal([]byte(body), &v)
	}
	return v.Cluster, err
}

// upgrade restarts a member with another version's program.
func (f *fleet) upgrade(m *unit, version string) error {
	if _, err := tool("etcd", version); err != nil {
		return err
	}
	m.end()
	m.version = version
	if err := m.start(); err != nil {
		return err
	}
	time.Sleep(100 * time.Millisecond) // its listeners
	return f.awaitHealthy(m.name)
}
