package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets scripts run `steerdns` as a process of its own, which is this
// test binary.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"steerdns": main})
}

// update rewrites the expected texts in the scripts; read the difference
// before you commit it: UPDATE=1 go test ./cmd/steerdns
func update() bool { return os.Getenv("UPDATE") != "" }

// TestCommands runs testdata/commands: what an operator types and reads.
func TestCommands(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/commands", UpdateScripts: update(),
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir) // no state of the tester's own
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
			return os.Mkdir(filepath.Join(env.WorkDir, "cache"), 0o755)
		},
	})
}

// TestStories runs testdata/stories: a fleet file, what happens to it, and
// the exact answers and reasons. Time stands still but for `at`.
func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/stories", UpdateScripts: update(),
		Setup: func(env *testscript.Env) error {
			env.Values[storyKey{}] = newStory()
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fleet":    onStory((*story).cmdFleet),
			"vote":     onStory((*story).cmdVote),
			"silent":   onStory((*story).cmdSilent),
			"drain":    onStory((*story).cmdDrain),
			"undrain":  onStory((*story).cmdUndrain),
			"pin":      onStory((*story).cmdPin),
			"failback": onStory((*story).cmdFailback),
			"store":    onStory((*story).cmdStore),
			"restart":  onStory((*story).cmdRestart),
			"later":    onStory((*story).cmdLater),
			"dig":      onStory((*story).cmdDig),
			"status":   onStory((*story).cmdStatus),
			"explain":  onStory((*story).cmdExplain),
		},
	})
}
