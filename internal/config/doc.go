// Package config is the file lifeboat.yaml: its keys, their defaults, and what makes a
// value unacceptable.
//
// It owns the [File] and the types of its values: [URL], which never prints its secrets,
// [Size], and the choices of [OnMirrorLoss]. It refuses quietly ignoring anything: a key
// that it does not know, a repeated key, a variable that is not set and a value out of
// range are errors with their line, all reported at once.
//
// It reads no file and no environment by itself: the caller passes the text and a lookup
// for ${NAME}, so that a secret can stay out of the file:
//
//	file, err := config.Parse(text, os.LookupEnv)
//	if err != nil {
//		return err // every problem, one a line
//	}
//	store := file.Mirror.Store.Reveal()
//
// docs/configuration.md is made from the same structs.
package config
