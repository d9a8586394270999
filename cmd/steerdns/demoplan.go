package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"text/template"
)

// The fixed ports of the demo.
const (
	demoHost     = "127.0.0.1"
	demoDNS      = 5301
	demoAdmin    = 8301
	demoEtcd     = 8379
	demoBackends = 8380
	demoControl  = "127.0.0.1:8300"
	demoService  = "www.gslb.example.com"
)

type demoOptions struct {
	free  bool
	state string
	dir   string
	out   io.Writer
}

// demoPlan is who runs where. It is a value: nothing is started by it.
type demoPlan struct {
	dir         string
	etcd        string // host:port
	control     string // host:port
	BackendPort int
	instances   []demoInstance
	backends    []demoBackend
}

type demoInstance struct {
	Name   string `json:"name"`
	Region string `json:"region"`
	DNS    string `json:"dns"`
	Admin  string `json:"admin"`
	PID    int    `json:"pid"`
}

type demoBackend struct {
	Name      string   `json:"name"`
	Region    string   `json:"region"`
	Addresses []string `json:"addresses"`
	PID       int      `json:"pid"`
	listen    string   // host:port
}

var demoRegions = []string{"us-east", "us-west", "eu-west"}

// makePlan lays the demo out and makes sure that its ports are free.
func makePlan(free bool) (demoPlan, error) {
	p := demoPlan{etcd: join(demoHost, demoEtcd), control: demoControl, BackendPort: demoBackends}
	for r, region := range demoRegions {
		for n := range 2 {
			i := r*2 + n
			p.instances = append(p.instances, demoInstance{
				Name: fmt.Sprintf("%s-%d", region, n+1), Region: region,
				DNS: join(demoHost, demoDNS+i), Admin: join(demoHost, demoAdmin+i),
			})
		}
	}
	if free {
		if err := p.takeFreePorts(); err != nil {
			return p, err
		}
	}
	for r, region := range demoRegions {
		for n := range 2 {
			v4 := fmt.Sprintf("127.0.%d.%d", 31+r, n+1)
			p.backends = append(p.backends, demoBackend{
				Name: fmt.Sprintf("%s-web-%d", region, n+1), Region: region,
				Addresses: []string{v4, fmt.Sprintf("2001:db8:%d::%d", 31+r, n+1)},
				listen:    join(v4, p.BackendPort),
			})
		}
	}
	return p, p.checkPorts()
}

// takeFreePorts replaces the fixed ports. The ports are only probably free:
// another process may take one before ours does, which is then a clear error.
func (p *demoPlan) takeFreePorts() error {
	need := 2*len(p.instances) + 3
	addrs := make([]string, need)
	ports := make([]int, need)
	for i := range need {
		ln, err := net.Listen("tcp", join(demoHost, 0))
		if err != nil {
			return err
		}
		defer ln.Close() // all at once, so that none is handed out twice
		addrs[i] = ln.Addr().String()
		ports[i] = ln.Addr().(*net.TCPAddr).Port
	}
	for i := range p.instances {
		p.instances[i].DNS, p.instances[i].Admin = addrs[2*i], addrs[2*i+1]
	}
	p.etcd, p.control, p.BackendPort = addrs[need-3], addrs[need-2], ports[need-1]
	return nil
}

// checkPorts names every address that is taken, before anything starts.
func (p *demoPlan) checkPorts() error {
	addrs := []string{p.etcd, p.control}
	for _, in := range p.instances {
		addrs = append(addrs, in.DNS, in.Admin)
	}
	for _, b := range p.backends {
		addrs = append(addrs, b.listen)
	}
	var problems []error
	for _, a := range addrs {
		ln, err := net.Listen("tcp", a)
		if err == nil {
			_ = ln.Close()
			continue
		}
		problems = append(problems, portProblem(a, err))
	}
	return errors.Join(problems...)
}

func portProblem(address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s is taken by another process (is a demo running already? --ports 0 takes free ports)", address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s is not an address of this machine (the demo needs all of 127.0.0.0/8 on loopback, as on Linux)", address)
	}
	return fmt.Errorf("%s cannot be used: %w", address, err)
}

//go:embed demo/fleet.yaml.tmpl
var demoFleet string

//go:embed demo/instance.yaml.tmpl
var demoInstanceFile string

// write writes the fleet file and the instance files.
func (p *demoPlan) write() error {
	if err := render(p.fleetPath(), demoFleet, p); err != nil {
		return err
	}
	for _, in := range p.instances {
		values := map[string]string{
			"Name": in.Name, "Region": in.Region, "DNS": in.DNS, "Admin": in.Admin,
			"Data": filepath.Join(p.dir, in.Name), "Etcd": "http://" + p.etcd,
		}
		if err := render(p.instancePath(in.Name), demoInstanceFile, values); err != nil {
			return err
		}
	}
	return nil
}

func (p *demoPlan) fleetPath() string { return filepath.Join(p.dir, "fleet.yaml") }

func (p *demoPlan) instancePath(name string) string { return filepath.Join(p.dir, name+".yaml") }

func render(path, text string, values any) error {
	t, err := template.New(filepath.Base(path)).Parse(text)
	if err != nil {
		return err
	}
	var buf bytes.Buffer
	if err := t.Execute(&buf, values); err != nil {
		return err
	}
	return os.WriteFile(path, buf.Bytes(), 0o644)
}
