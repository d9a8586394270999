package admin

import (
	_ "embed"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/steerdns/steerdns/regions"
)

//go:embed page.html
var pageText string

// page shows the status to a person; it has nothing to click but links, and
// it needs no script.
func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	t, err := template.New("page").Funcs(template.FuncMap{"since": since, "flags": flags}).Parse(pageText)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	w.Header().Set("Refresh", "5")
	_ = t.Execute(w, MakeStatus(s.backend.World(), s.backend.Picture(), s.backend.Facts())) // the client went away
}

func since(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return time.Since(t).Round(time.Second).String()
}

// flags are the words that qualify a verdict, for tables.
func flags(v regions.Verdict) string { return Flags(v) }

// Flags names what qualifies a verdict, such as "drained, suspect".
func Flags(v regions.Verdict) string {
	return strings.Join(flagWords(&v), ", ")
}

// flagWords is the same, one by one. With lacks comes the name of what is
// lacking.
func flagWords(v *regions.Verdict) []string {
	var words []string
	for _, f := range []struct {
		on   bool
		word string
	}{
		{v.Drained != nil, "drained"}, {v.Pinned != nil, "pinned"}, {v.Held, "held"}, {v.Frozen, "frozen"}, {v.Demoted, "demoted"},
		{v.Lacks != "", "lacks " + v.Lacks}, {v.Waiting, "waiting"}, {v.Ramp > 0, "ramping"}, {v.Suspect || v.Shaky, "suspect"},
	} {
		if f.on {
			words = append(words, f.word)
		}
	}
	return words
}
