# The deflection of a cantilever with a load at its end; the load, in kN, is the argument.

set load [expr {[llength $argv] > 0 ? [lindex $argv 0] : 1.0}]
set deflection [expr {$load * 2.0**3 / (3 * 4000.0)}]
set results [expr {[info exists env(RESULTS)] ? $env(RESULTS) : "."}]

set file [open [file join $results result.json] w]
puts $file "{\"load\": $load, \"deflection\": $deflection}"
close $file
puts "load $load kN, deflection $deflection m"
