//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// verbs are the words that a statement begins with.
var verbs map[string]func(s *story, args []string) error

func init() { // a map that its own functions reach
	verbs = map[string]func(s *story, args []string) error{
		"with": doWith, "expect": doExpect,
		"kill": each((*story).kill), "terminate": each((*story).terminate), "start": each((*story).start),
		"stop": each((*story).stop), "continue": each((*story).resume), "wipe": each((*story).wipeMember),
		"replace": each((*story).replaceMember), "issue": doIssue,
		"cut": doCut, "loss": doLoss, "heal": doHeal, "wait": doWait, "remember": doRemember,
		"drain": doDrain, "undrain": doUndrain, "refused": doRefused, "apply": doApply, "accept": doAccept,
		"fill": doFill, "empty": doEmpty, "defrag": each((*story).defragMember), "stutter": doStutter,
		"backup": doBackup, "restore": doRestore, "upgrade": doUpgrade,
		"damage": doDamage, "readonly": each((*story).readonly), "writable": each((*story).writable), "flap": doFlap,
	}
}

// each is a verb about units.
func each(do func(*story, *unit) error) func(*story, []string) error {
	return func(s *story, args []string) error {
		list, err := s.pickAll(args)
		if err != nil {
			return err
		}
		for _, u := range list {
			if err := do(s, u); err != nil {
				return fmt.Errorf("%s: %w", u.name, err)
			}
		}
		return nil
	}
}

// excuse says that an instance need not answer from now on.
func excuse(u *unit) {
	if u.watch != nil {
		u.watch.alive(false)
	}
}

func (s *story) kill(u *unit) error      { excuse(u); u.kill(); return nil }
func (s *story) terminate(u *unit) error { excuse(u); u.end(); return nil }
func (s *story) stop(u *unit) error      { excuse(u); return u.pause() }

func (s *story) start(u *unit) error {
	if err := u.start(); err != nil {
		return err
	}
	return s.back(u)
}

func (s *story) resume(u *unit) error {
	if err := u.resume(); err != nil {
		return err
	}
	return s.back(u)
}

// back waits for an instance's first answer, from which on it must not fail.
// Whoever does not want to wait for one that cannot answer says `start` and
// `expect silent`.
func (s *story) back(u *unit) error {
	if u.watch == nil {
		return nil
	}
	began := time.Now()
	err := poll(patience, func() error {
		return u.watch.shows(began, &expectation{})
	})
	u.watch.alive(true)
	s.t.Logf("%s answered %s after its start", u.name, time.Since(began).Round(time.Millisecond))
	return err
}

func (s *story) wipeMember(u *unit) error    { return s.wipe(u) }
func (s *story) replaceMember(u *unit) error { return s.replace(u) }

func (s *story) defragMember(u *unit) error {
	_, err := s.etcdctl("", []string{u.name}, "defrag")
	return err
}

// doWith alters the fleet before it starts.
func doWith(s *story, args []string) error {
	switch what := strings.Join(args[:len(args)-1], " "); {
	case what == "etcd":
		for _, m := range s.members {
			m.version = args[1]
		}
	case what == "quota":
		s.quota = args[1]
	case what == "certificates for":
		return s.withCerts(args[2])
	case len(args) == 3 && args[0] == "disk": // with disk us-east-1 512k
		dir := s.dataDir(args[1])
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+args[2], "tmpfs", dir).CombinedOutput(); err != nil {
			return fmt.Errorf("mount: %s", out)
		}
		s.t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	case len(args) == 2 && args[0] == "fleet": // with fleet OLD=>NEW
		return s.rewrite(args[1])
	default:
		return errors.New("with what?")
	}
	return nil
}

func (s *story) withCerts(life string) error {
	d, err := time.ParseDuration(life)
	if err != nil {
		return err
	}
	var ips []net.IP
	for _, m := range s.members {
		ips = append(ips, net.ParseIP(s.site.node(m.name).addrs[0]))
	}
	if s.certs, err = newCerts(s.dir, ips); err != nil {
		return err
	}
	return s.certs.issue("client", d)
}

// issue certificates for 1h: the instances' are renewed.
func doIssue(s *story, args []string) error {
	d, err := time.ParseDuration(args[len(args)-1])
	if err != nil {
		return err
	}
	return s.certs.issue("client", d)
}

// direction reads A -> B and A <-> B.
func direction(args []string) (list [][2]string, err error) {
	if len(args) != 3 || args[1] != "->" && args[1] != "<->" {
		return nil, errors.New("want A -> B or A <-> B")
	}
	list = [][2]string{{args[0], args[2]}}
	if args[1] == "<->" {
		list = append(list, [2]string{args[2], args[0]})
	}
	return list, nil
}

func doCut(s *story, args []string) error { return s.dropAll(args, 100) }

// doLoss: loss 30% A <-> B.
func doLoss(s *story, args []string) error {
	percent, err := strconv.Atoi(strings.TrimSuffix(args[0], "%"))
	if err != nil {
		return err
	}
	return s.dropAll(args[1:], percent)
}

func (s *story) dropAll(args []string, percent int) error {
	ways, err := direction(args)
	for _, w := range ways {
		err = errors.Join(err, s.site.drop(rule{w[0], w[1], percent}))
	}
	return err
}

func doHeal(s *story, args []string) error {
	if len(args) == 0 {
		return s.site.heal("*", "*")
	}
	ways, err := direction(args)
	for _, w := range ways {
		err = errors.Join(err, s.site.heal(w[0], w[1]))
	}
	return err
}

func doWait(_ *story, args []string) error {
	d, err := duration(args[0])
	time.Sleep(d)
	return err
}

func doRemember(s *story, args []string) error {
	s.marks[args[0]] = time.Now()
	return nil
}

// doDrain: drain eu-west for 30s [at us-east-1].
func doDrain(s *story, args []string) error {
	at, args, err := s.place(args)
	if err != nil {
		return err
	}
	_, err = s.verb(at, "drain", "region", args[0], "--owner", "e2e", "--reason", "a drill", "--for", args[2])
	return err
}

// place takes "at INSTANCE" off a statement's end.
func (s *story) place(args []string) (*unit, []string, error) {
	if n := len(args); n > 2 && args[n-2] == "at" {
		list, err := s.pick(args[n-1])
		if err != nil {
			return nil, nil, err
		}
		return list[0], args[:n-2], nil
	}
	return s.someInstance(), args, nil
}

func doUndrain(s *story, args []string) error {
	_, err := s.verb(s.someInstance(), "undrain", "region", args[0])
	return err
}

// doRefused: refused "a text" VERB...: an operator's word that is not obeyed.
func doRefused(s *story, args []string) error {
	err := verbs[args[1]](s, args[2:])
	if err == nil || !strings.Contains(err.Error(), args[0]) {
		return fmt.Errorf("want a refusal with %q, got %v", args[0], err)
	}
	return nil
}

// doApply: apply OLD=>NEW: a change of the fleet file.
func doApply(s *story, args []string) error {
	if err := s.rewrite(args[0]); err != nil {
		return err
	}
	var refused error
	err := poll(10*time.Second, func() error { // an operator tries again while etcd elects
		err := s.apply(s.text)
		if err != nil && strings.Contains(err.Error(), "fleet.yaml:") {
			refused = err
			return nil
		}
		return err
	})
	return errors.Join(err, refused)
}

func (s *story) rewrite(change string) error {
	from, to, ok := strings.Cut(change, "=>")
	if !ok || !strings.Contains(s.text, from) {
		return fmt.Errorf("%q is not in the fleet file", from)
	}
	s.text = strings.Replace(s.text, from, to, 1)
	return nil
}

// doAccept: accept the cluster [at INSTANCES].
func doAccept(s *story, args []string) error {
	list := s.instances
	if i := slices.Index(args, "at"); i >= 0 {
		var err error
		if list, err = s.pickInstances(args[i+1:]...); err != nil {
			return err
		}
	}
	members, err := s.memberStatuses()
	if err != nil {
		return err
	}
	id := fmt.Sprintf("%016x", members[0].Status.Header.ClusterID)
	for _, in := range list {
		err := poll(patience, func() error { _, err := s.verb(in, "accept-cluster", id); return err })
		if err != nil {
			return fmt.Errorf("%s: %w", in.name, err)
		}
	}
	return nil
}

// doStutter: stutter etcd-1 700ms of 1s for 10s.
func doStutter(s *story, args []string) error {
	list, err := s.pick(args[0])
	if err != nil {
		return err
	}
	var times [3]time.Duration
	for i, word := range []string{args[1], args[3], args[5]} {
		if times[i], err = duration(word); err != nil {
			return err
		}
	}
	done := make(chan error)
	for _, u := range list {
		go func() { done <- u.stutter(times[0], times[1], times[2]) }()
	}
	for range list {
		err = errors.Join(err, <-done)
	}
	return err
}

func doBackup(s *story, args []string) error { return s.backup(args[0]) }

// doRestore: restore NAME [as a new cluster | at a higher revision].
func doRestore(s *story, args []string) error {
	switch how := strings.Join(args[1:], " "); how {
	case "":
		return s.restore(args[0])
	case "as a new cluster":
		s.token += "-new"
		return s.restore(args[0])
	case "at a higher revision":
		return s.restore(args[0], "--bump-revision", "1000000000", "--mark-compacted")
	default:
		return fmt.Errorf("restore %q?", how)
	}
}

// doUpgrade: upgrade etcd-1 to 3.5.
func doUpgrade(s *story, args []string) error {
	list, err := s.pickAll(args[:len(args)-2])
	for _, u := range list {
		if err == nil {
			err = s.upgrade(u, args[len(args)-1])
		}
	}
	return err
}

// doFlap: flap PATTERN 800ms for 10s: killed and started in turn.
func doFlap(s *story, args []string) error {
	list, err := s.pick(args[0])
	if err != nil {
		return err
	}
	every, err := duration(args[1])
	if err != nil {
		return err
	}
	length, err := duration(args[3])
	for end := time.Now().Add(length); err == nil && time.Now().Before(end); {
		for _, u := range list {
			u.kill()
		}
		time.Sleep(every)
		for _, u := range list {
			err = errors.Join(err, u.start())
		}
		time.Sleep(every)
	}
	return err
}

// duration is a time, or one of those that the environment sets.
func duration(word string) (time.Duration, error) {
	if name, ok := strings.CutPrefix(word, "$"); ok {
		word = os.Getenv("STEERDNS_" + name)
		if word == "" {
			word = map[string]string{"ETCD_GONE": "20s", "LOSS": "20s"}[name]
		}
	}
	return time.ParseDuration(word)
}
