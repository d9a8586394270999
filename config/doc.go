// Package config turns the instance file and the fleet file into validated,
// immutable values. Whatever is wrong is reported at once, with file, line,
// column, path and what to do.
package config
