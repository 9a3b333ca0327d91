package sqlserver

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBatches(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script        string
		batches, left []string
		err           string
	}{
		"nothing":              {script: "\n-- only a comment\nGO\n"},
		"no GO":                {script: "SELECT 1", batches: []string{"SELECT 1"}},
		"any case and blanks":  {script: "a\n  go  \nb\nGO;\r\nc\ngO -- on\n", batches: []string{"a\n", "b\n", "c\n"}},
		"repeated":             {script: "a\nGO 3\nb\nGO 0\n", batches: []string{"a\n", "a\n", "a\n"}},
		"a GO that is none":    {script: "GOTO x\nSELECT GO\nGO\n", batches: []string{"GOTO x\nSELECT GO\n"}},
		"in a comment":         {script: "/* a\nGO\n/* b */\nGO\n*/ c\nGO\n", batches: []string{"/* a\nGO\n/* b */\nGO\n*/ c\n"}},
		"in a literal":         {script: "PRINT 'it''s\nGO\n'\nGO\nd", batches: []string{"PRINT 'it''s\nGO\n'\n", "d"}},
		"in a name":            {script: "SELECT [a'\nGO\n], \"b\nGO\n\"\nGO\n", batches: []string{"SELECT [a'\nGO\n], \"b\nGO\n\"\n"}},
		"a quote in a comment": {script: "a -- it's\nGO\nb", batches: []string{"a -- it's\n", "b"}},
		"about databases": {
			script:  "IF 1 = 1 DROP  DATABASE [x]\nGO\nCREATE DATABASE x;\nGO\nUSE [x];\nGO\nPRINT 'DROP DATABASE x'\n",
			batches: []string{"PRINT 'DROP DATABASE x'\n"},
			left:    []string{"IF 1 = 1 DROP  DATABASE [x]\n", "CREATE DATABASE x;\n", "USE [x];\n"},
		},
		"USE among others": {script: "USE x\nCREATE TABLE t (a int)\n", err: "USE among other statements"},
		"a column used":    {script: "SELECT a\nFROM use_of_it", batches: []string{"SELECT a\nFROM use_of_it"}},
		"no end":           {script: "a /* b\nGO\n", err: "inside a comment"},
		"far too often":    {script: "a\nGO 999999999\n", err: "at most"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			batches, left, err := Batches(c.script)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.batches, batches)
			assert.Equal(t, c.left, left)
		})
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"plain": "aé", "with a mark": "\xef\xbb\xbfaé", "UTF-16": "\xff\xfea\x00\xe9\x00", "UTF-16, the other way": "\xfe\xff\x00a\x00\xe9",
	} {
		got, err := Text([]byte(raw))
		require.NoError(t, err, name)
		assert.Equal(t, "aé", got, name)
	}
	_, err := Text([]byte("a\xe9"))
	require.ErrorContains(t, err, "UTF-8")
	_, err = Text([]byte("\xff\xfea"))
	require.ErrorContains(t, err, "odd")
}
