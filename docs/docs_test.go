// Package docs_test holds the documentation to the code: what the code has,
// the pages name, and what the pages name, exists.
package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/steerdns/steerdns/config"
)

func TestEveryReasonCodeIsExplained(t *testing.T) {
	rows := firstCells(section(t, "semantics.md", "Reason codes"))
	codes := reasonCodes(t)
	for _, code := range codes {
		if !slices.Contains(rows, code) {
			t.Errorf("semantics.md does not explain the reason code %q", code)
		}
	}
	for _, row := range rows {
		if !slices.Contains(codes, row) {
			t.Errorf("semantics.md explains %q, which is no reason code", row)
		}
	}
}

// reasonCodes is the string of every constant Code... of package steering.
func reasonCodes(t *testing.T) []string {
	var codes []string
	inspect(t, "../regions/steering", func(n ast.Node) {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Code") {
			return
		}
		for _, v := range spec.Values {
			codes = append(codes, literal(v))
		}
	})
	if len(codes) < 20 {
		t.Fatalf("found only %d reason codes in the source", len(codes))
	}
	return codes
}

// TestEveryKeyIsDescribed takes the keys from the calls by which the decoder
// names what it knows: table("name", "region", ...). All keys of one table
// must have rows in one section of the manual.
func TestEveryKeyIsDescribed(t *testing.T) {
	sections := strings.Split(read(t, "configuration.md"), "\n#")
	known := []string{"healthy", "fence", "tier", "near", "balance", "take"}
	tables := [][]string{known}
	inspect(t, "../config", func(n ast.Node) {
		if keys := tableKeys(n); len(keys) > 0 {
			tables = append(tables, keys)
			known = append(known, keys...)
		}
	})
	if len(tables) < 20 {
		t.Fatalf("found only %d tables in the source", len(tables))
	}
	for _, keys := range tables {
		if !slices.ContainsFunc(sections, func(s string) bool { return hasAll(firstCells(s), keys) }) {
			t.Errorf("no section of configuration.md has a row for each of the keys %q", keys)
		}
	}
	for _, s := range sections {
		for _, row := range firstCells(s) {
			if !slices.Contains(known, row) {
				t.Errorf("configuration.md describes %q, which is no key", row)
			}
		}
	}
}

func hasAll(have, want []string) bool {
	return !slices.ContainsFunc(want, func(s string) bool { return !slices.Contains(have, s) })
}

func tableKeys(n ast.Node) []string {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return nil
	}
	if sel, ok := call.Fun.(*ast.SelectorExpr); !ok || sel.Sel.Name != "table" {
		return nil
	}
	return literals(call.Args)
}

// TestExamplesOfTheManual loads the examples with the loader of serve.
func TestExamplesOfTheManual(t *testing.T) {
	instance := yamlBlock(t, section(t, "configuration.md", "A complete instance file"))
	if _, problems := config.ParseInstance("instance", []byte(instance)); problems != nil {
		t.Error(problems)
	}
	fleet := yamlBlock(t, section(t, "configuration.md", "A complete fleet file"))
	if _, problems := config.ParseFleet("fleet", []byte(fleet), nil); problems != nil {
		t.Error(problems)
	}
}

func yamlBlock(t *testing.T, text string) string {
	_, rest, _ := strings.Cut(text, "```yaml\n")
	block, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("no block of YAML")
	}
	return block
}

var metricName = regexp.MustCompile(`\bsteerdns_[a-z_]+`)

func TestEveryMetricIsListed(t *testing.T) {
	listed := firstCells(section(t, "operator.md", "Metrics"))
	var metrics []string
	for _, dir := range []string{"../admin", "../dnsserver", "../cmd/steerdns"} {
		metrics = append(metrics, metricsOf(t, dir)...)
	}
	if len(metrics) < 30 {
		t.Fatalf("found only %d metrics in the source", len(metrics))
	}
	for _, m := range metrics {
		if !slices.Contains(listed, m) {
			t.Errorf("operator.md does not list the metric %s", m)
		}
	}
	for _, page := range pages(t) {
		for _, m := range metricName.FindAllString(read(t, page), -1) {
			if !slices.Contains(metrics, m) {
				t.Errorf("%s names %s, which is no metric", page, m)
			}
		}
	}
}

// metricsOf is the metrics that a directory makes by desc("...") or
// metric("..."), which put a prefix in front, or by prometheus' options.
func metricsOf(t *testing.T, dir string) []string {
	var short, whole []string
	prefix := ""
	inspect(t, dir, func(n ast.Node) {
		switch n := n.(type) {
		case *ast.CallExpr:
			name, first := callee(n), firstLiteral(n)
			switch {
			case name == "desc" || name == "metric":
				short = append(short, first)
			case name == "NewDesc":
				prefix = first
			}
		case *ast.KeyValueExpr:
			if s := literal(n.Value); strings.HasPrefix(s, "steerdns_") {
				whole = append(whole, s)
			}
		}
	})
	for _, s := range short {
		whole = append(whole, prefix+s)
	}
	return whole
}

func callee(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// firstLiteral is the first argument, or what it begins with.
func firstLiteral(call *ast.CallExpr) string {
	if len(call.Args) == 0 {
		return ""
	}
	if sum, ok := call.Args[0].(*ast.BinaryExpr); ok {
		return literal(sum.X)
	}
	return literal(call.Args[0])
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinksResolve(t *testing.T) {
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			checkLink(t, page, m[1])
		}
	}
}

var filePath = regexp.MustCompile(`\b(?:admin|cmd|config|deploy|dnsserver|geo|healthcheck|regions)/[\w./-]*\.(?:go|yaml|tmpl|service)\b`)

func TestNamedFilesExist(t *testing.T) {
	for _, page := range pages(t) {
		for _, name := range filePath.FindAllString(read(t, page), -1) {
			if _, err := os.Stat(filepath.Join("..", name)); err != nil {
				t.Errorf("%s names %s, which is not there", page, name)
			}
		}
	}
}

func checkLink(t *testing.T, page, to string) {
	if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
		return
	}
	path, anchor, _ := strings.Cut(to, "#")
	file := page
	if path != "" {
		file = filepath.Join(filepath.Dir(page), path)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("%s links to %s, which is not there", page, to)
		return
	}
	if anchor != "" && !slices.Contains(anchors(read(t, file)), anchor) {
		t.Errorf("%s links to %s, but %s has no such heading", page, to, file)
	}
}

var (
	heading   = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	notAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors is the fragments by which a page's headings can be linked to.
func anchors(text string) []string {
	var out []string
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		words := notAnchor.ReplaceAllString(strings.ToLower(m[1]), "")
		out = append(out, strings.ReplaceAll(words, " ", "-"))
	}
	return out
}

// pages is all pages for people: those of this directory and of the
// repository's root.
func pages(t *testing.T) []string {
	list, err := filepath.Glob("../*.md")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func read(t *testing.T, page string) string {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// section is the text below a heading, up to the next of the second level.
func section(t *testing.T, page, title string) string {
	_, rest, found := strings.Cut(read(t, page), "\n## "+title+"\n")
	if !found {
		t.Fatalf("%s has no section %q", page, title)
	}
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

var firstCell = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")

// firstCells is the code words that begin the rows of tables.
func firstCells(text string) []string {
	var out []string
	for _, m := range firstCell.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

// inspect visits the source of a directory, tests left out.
func inspect(t *testing.T, dir string, visit func(ast.Node)) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			visit(n)
			return true
		})
	}
}

func literals(list []ast.Expr) []string {
	var out []string
	for _, e := range list {
		if s := literal(e); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// literal is the value of a string literal, "" for all else.
func literal(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	s, err := strconv.Unquote(lit.Value)
	if err != nil {
		return ""
	}
	return s
}
