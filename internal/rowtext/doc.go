// Package rowtext shows canonical rows to people and to JSON.
//
// It owns one direction only: a row becomes text, and nothing here reads text back, so
// nothing that is stored depends on it. Texts that are not UTF-8 and binary values are
// shown as hexadecimal.
//
//	row, err := rowtext.Row(table, change.Row)
//	fmt.Println(row) // id=7 name="Ada" born=1815-12-10
package rowtext
