package config

import (
	"reflect"
	"testing"
	"time"
)

const minimalFleet = `zones:
  - name: gslb.example.com
    soa: {mname: ns1.gslb.example.com}
    ns: [ns1.gslb.example.com]
regions:
  - {name: us-east, latitude: 38.95, longitude: -77.45}
checks:
  - {name: web, type: http}
services:
  - name: www.gslb.example.com
    check: web
    needs: [LOGIN.gslb.example.com, db.gslb.example.com.]
    endpoints: {us-east: [192.0.2.1]}
  - {name: login.gslb.example.com, check: web, needs: [db.gslb.example.com], endpoints: {us-east: [192.0.2.2]}}
  - {name: db.gslb.example.com, check: web, endpoints: {us-east: [192.0.2.3]}}
`

func TestRecoveryDefaults(t *testing.T) {
	tests := map[string]struct {
		text     string
		recovery Recovery
		damping  bool
	}{
		"nothing said": {"", Recovery{Failback: FailbackAuto, Hold: 10 * time.Second}, false},
		"at once":      {"recovery: {hold: 0s, damping: off}\n", Recovery{Failback: FailbackAuto}, false},
		"damped":       {"recovery: {damping: on}\n", Recovery{Failback: FailbackAuto, Hold: 10 * time.Second}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, problems := ParseFleet("x.yaml", []byte(minimalFleet+tt.text), readBeside)
			if err := problems.Err(); err != nil {
				t.Fatal(err)
			}
			if f.Recovery != tt.recovery || f.Regions[0].Recovery != tt.recovery || f.Damping.On != tt.damping {
				t.Errorf("got %+v, region %+v, damping %+v", f.Recovery, f.Regions[0].Recovery, f.Damping)
			}
		})
	}
}

func TestNeeds(t *testing.T) {
	f, problems := ParseFleet("x.yaml", []byte(minimalFleet), readBeside)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	want := [][]string{{"login.gslb.example.com.", "db.gslb.example.com."}, {"db.gslb.example.com."}, nil}
	for i, s := range f.Services {
		if !reflect.DeepEqual(s.Needs, want[i]) {
			t.Errorf("%s needs %v, want %v", s.Name, s.Needs, want[i])
		}
	}
}
