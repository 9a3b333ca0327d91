package mssql

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"lifeboat/internal/database"
)

// What triggers do to an application, and what an application can do past triggers, is
// told before capture is installed. Modules are searched by their text: a hint, not a proof.
func warnings(caps capabilities, s *database.Schema) []string {
	output := regexp.MustCompile(`(?is)\boutput\s+(inserted|deleted)\s*\.`)
	into := regexp.MustCompile(`(?is)\boutput\b.*?\binto\b`)
	truncate := regexp.MustCompile(`(?i)\btruncate\s+table\b`)
	bulk := regexp.MustCompile(`(?i)\bbulk\s+insert\b|\bopenrowset\s*\(\s*bulk\b|\bswitch\s+(partition\b|to\b)`)
	toggle := regexp.MustCompile(`(?i)\bdisable\s+trigger\b`)
	found := map[string][]string{}
	for _, o := range s.Objects {
		if o.Kind != "procedure" && o.Kind != "trigger" {
			continue
		}
		name := o.Kind + " " + o.Name
		if output.MatchString(o.SQL) && !into.MatchString(o.SQL) {
			found["output"] = append(found["output"], name)
		}
		for what, expression := range map[string]*regexp.Regexp{"truncate": truncate, "bulk": bulk, "toggle": toggle} {
			if expression.MatchString(o.SQL) {
				found[what] = append(found[what], name)
			}
		}
	}
	list := []string{
		"every captured table gets a trigger, so OUTPUT without INTO fails on it (error 334)" + seen(found["output"]) +
			"; Entity Framework Core needs HasTrigger(…) on its entities, or it fails so too",
		"TRUNCATE TABLE, ALTER TABLE … SWITCH and bulk loads without FIRE_TRIGGERS go past triggers" +
			seen(append(found["truncate"], found["bulk"]...)) + "; the daily audit finds them, by table",
	}
	if len(found["toggle"]) > 0 {
		list = append(list, "triggers are disabled by"+seen(found["toggle"])+"; what changes meanwhile is not captured")
	}
	return append(list, structureWarnings(caps, s)...)
}

func seen(names []string) string {
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return " (seen in " + strings.Join(slices.Compact(names), ", ") + ")"
}

// structureWarnings come from tables rather than from texts.
func structureWarnings(caps capabilities, s *database.Schema) []string {
	var list []string
	for _, g := range triggers(s) {
		if g.as != "" && caps.executeAs {
			list = append(list, fmt.Sprintf("the trigger of %s runs as dbo, because the table has masked columns or does not belong to dbo", g.table.Name))
		}
	}
	for _, o := range s.Objects {
		if o.Kind == "trigger state" && strings.Contains(o.SQL, "@order = 'First'") {
			list = append(list, fmt.Sprintf("trigger %s is first on its table and stays so; captured changes of one transaction may be out of order there, which changes nothing about their net effect", o.Name))
		}
	}
	if !caps.rawText {
		list = append(list, caps.Product+" cannot hand text over as bytes: a row with the character U+FFFD is refused")
	}
	return slices.Compact(list)
}
