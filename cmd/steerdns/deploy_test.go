package main

import (
	"path/filepath"
	"testing"

	"github.com/steerdns/steerdns/config"
)

// The fleets under deploy are what users copy: every file loads, every
// instance's region exists, and each region has two instances.
func TestDeployedFleetsLoad(t *testing.T) {
	for _, dir := range []string{"../../deploy/example", "../../deploy/compose"} {
		f, problems := config.LoadFleet(filepath.Join(dir, "fleet.yaml"))
		a, err := assemble(f, problems, nil)
		if err != nil {
			t.Errorf("%s: %v", dir, err)
			continue
		}
		files, err := filepath.Glob(filepath.Join(dir, "*-[12].yaml"))
		if err != nil || len(files) != 2*len(a.topology.Regions) {
			t.Errorf("%s: %d instance files for %d regions (%v)", dir, len(files), len(a.topology.Regions), err)
		}
		for _, file := range files {
			in, err := config.LoadInstance(file)
			if err != nil {
				t.Error(err)
				continue
			}
			if err := checkRegion(in, f); err != nil {
				t.Error(err)
			}
			if in.Name+".yaml" != filepath.Base(file) {
				t.Errorf("%s names its instance %q", file, in.Name)
			}
		}
	}
}
