package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/steerdns/steerdns/geo/dbip"
)

// release is the version that CHANGELOG.md describes.
const release = "0.1.0"

// versionString adds the commit where the build knows it.
func versionString() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return release
	}
	commit := ""
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			commit = "+" + s.Value[:12]
		}
	}
	return release + commit
}

// versionText is what `version` and --version print.
func versionText() string {
	return fmt.Sprintf("steerdns %s (%s, %s/%s)\n%s\n",
		versionString(), runtime.Version(), runtime.GOOS, runtime.GOARCH, dbip.Attribution)
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version and the sources of the built-in data",
		Args:  exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), versionText())
			return err
		},
	}
}

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIRECTORY",
		Short: "Write the manual pages into a directory",
		Args:  exactly(1, "a directory that exists"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return doc.GenManTree(cmd.Root(), &doc.GenManHeader{Title: "STEERDNS", Section: "8", Source: "steerdns " + release}, args[0])
		},
	}
}
