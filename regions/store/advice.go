package store

import (
	"slices"
	"strings"
)

// advice is what a person can do about an embedded server that ended with
// words like these; the first that fits.
var advice = []struct {
	words []string
	do    string // DIR: the directory
}{
	{[]string{"another process uses", "address already in use", "cannot assign requested address"}, ""}, // says it itself
	{[]string{"no space left", "disk quota exceeded"}, "free space on the disk of DIR; it is started again by itself"},
	{[]string{"read-only file system"}, "mount the disk of DIR writable again: look in the kernel's log why it is not; it is started again by itself"},
	{[]string{"permission denied", "operation not permitted"}, "let this process's user write in DIR; it is started again by itself"},
	{[]string{"input/output error"}, "the disk of DIR fails: look in the kernel's log"},
	{[]string{"signal: killed"}, "by hand, or by the kernel for want of memory, as its log then says; it is started again by itself"},
	{[]string{"out of memory", "cannot allocate memory"}, "give it more memory; it is started again by itself"},
	{[]string{"panic: ", "fatal error: ", "assertion failed", "database", "wal", "snap", "crc", "checksum", "EOF", "recover"},
		"are its files damaged? Move DIR away: a new etcd begins by itself, and `steerdns status` then tells how to accept it. Lost with the " +
			"old one are drains and other overrides, and what `steerdns apply` stored, with its history: apply it once more"},
}

// Advice is what to do about an embedded server with its data in dir that
// ended with these words; "" when they say it themselves.
func Advice(dir, words string) string {
	for _, a := range advice {
		fits := func(word string) bool { return strings.Contains(words, word) }
		switch {
		case !slices.ContainsFunc(a.words, fits):
		case a.do == "":
			return ""
		default:
			return strings.ReplaceAll(a.do, "DIR", dir)
		}
	}
	return ""
}
