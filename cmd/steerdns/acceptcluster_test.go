package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/steerdns/steerdns/admin"
	"github.com/steerdns/steerdns/config"
	"github.com/steerdns/steerdns/regions"
)

// The word goes to all instances that are named, also past one that does not
// take it.
func TestAcceptClusterAtManyInstances(t *testing.T) {
	var addresses []string
	for _, refused := range []uint64{2, 3, 2} {
		in := newTestFollower(t, config.FleetSource{BuiltIn: true}).in
		in.onPicture(&regions.Picture{Cluster: 1, Revision: 5})
		in.onPicture(&regions.Picture{Cluster: refused, Revision: 9})
		s := httptest.NewServer(admin.NewServer(backend{in}, http.NotFoundHandler(), slog.New(slog.DiscardHandler)).Handler())
		t.Cleanup(s.Close)
		addresses = append(addresses, strings.TrimPrefix(s.URL, "http://"))
	}
	var out strings.Builder
	err := acceptAt(t.Context(), &out, "0000000000000002", addresses)
	want := addresses[0] + ": believes cluster 0000000000000002 from now on\n" +
		addresses[1] + ": this instance refuses cluster 0000000000000003, not 0000000000000002 (if you know it to be the right one: steerdns accept-cluster 0000000000000003)\n" +
		addresses[2] + ": believes cluster 0000000000000002 from now on\n"
	if out.String() != want {
		t.Errorf("it says\n%swant\n%s", &out, want)
	}
	if err == nil || err.Error() != "1 of 3 instances did not take the word" {
		t.Errorf("ends with %v", err)
	}
}
