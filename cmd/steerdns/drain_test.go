package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/steerdns/steerdns/admin"
	"github.com/steerdns/steerdns/regions"
)

// The confirmation names the end as the status does: with its day, in UTC.
func TestDrainTellsItsWholeEnd(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req admin.OverrideRequest
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			t.Error(err)
		}
		_ = json.NewEncoder(w).Encode(regions.Override{
			Kind: req.Kind, Name: req.Name, Action: req.Action, Owner: "ann", Reason: req.Reason,
			Expires: time.Date(2026, 3, 2, 13, 26, 12, 0, time.FixedZone("", 3600)),
		})
	}))
	defer s.Close()
	address := strings.TrimPrefix(s.URL, "http://")
	for verb, want := range map[string]string{
		"drain":    "drained region eu-west until 2026-03-02T12:26:12Z (ann): drill\n",
		"pin":      "pinned up region eu-west until 2026-03-02T12:26:12Z (ann): drill\n",
		"failback": "region eu-west may come back as soon as it is up and its hold is over, until 2026-03-02T12:26:12Z (ann): drill\n",
	} {
		var out, problems strings.Builder
		code := run([]string{verb, "region", "eu-west", "--reason", "drill", "--for", "36h", "--admin", address}, nil, &out, &problems)
		if code != 0 || !strings.HasPrefix(out.String(), want) {
			t.Errorf("%s ends with %d and says %q, want %q (%s)", verb, code, &out, want, &problems)
		}
	}
}
