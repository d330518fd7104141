# One case: how much horizontal load a portal frame carries, by OpenSees. The frame is pushed sideways to a drift of 4 %.
#
#     OpenSees portal.tcl HEIGHT GRAVITY          python3 -m opensees portal.tcl HEIGHT GRAVITY
#
# It leaves result.json and, step by step, push.out: drift ratio and base shear. Units: kN, m.

# The last two words: `python3 -m opensees` puts the script's name before them, OpenSees itself does not.
lassign [lrange $argv end-1 end] height gravity

set width 6.0
set E 2.0e8;        # kN/m2
set A 0.01;         # m2
set I 1.5e-4;       # m4, columns
set Mp 300.0;       # kNm, the moment at which a column's end yields
set steps 200
set target [expr {0.04 * $height}]

# A strong beam on two columns, each with a spring at both ends that yields.
model basic -ndm 2 -ndf 3
foreach {column x} [list 1 0.0 2 $width] {
    node ${column}1 $x 0.0;      # the ground
    node ${column}2 $x 0.0;      # the column's lower end
    node ${column}3 $x $height;  # its upper end
    node ${column}4 $x $height;  # the beam's end
    fix ${column}1 1 1 1
    equalDOF ${column}1 ${column}2 1 2
    equalDOF ${column}4 ${column}3 1 2
}
set stiff [expr {200.0 * $E * $I / $height}]
uniaxialMaterial Steel01 1 $Mp $stiff 1.0e-6
geomTransf PDelta 1
geomTransf Linear 2
foreach column {1 2} {
    element zeroLength ${column}1 ${column}1 ${column}2 -mat 1 -dir 6
    element elasticBeamColumn ${column}2 ${column}2 ${column}3 $A $E $I 1
    element zeroLength ${column}3 ${column}3 ${column}4 -mat 1 -dir 6
}
element elasticBeamColumn 3 14 24 [expr {10 * $A}] $E [expr {1000 * $I}] 2

# The weight first, then the push.
pattern Plain 1 Linear {
    load 14 0.0 [expr {-$gravity / 2.0}] 0.0
    load 24 0.0 [expr {-$gravity / 2.0}] 0.0
}
constraints Transformation
numberer RCM
system BandGeneral
test NormDispIncr 1.0e-8 50
algorithm Newton
integrator LoadControl 0.1
analysis Static
if {[analyze 10] != 0} {
    error "the frame does not carry its own weight"
}
loadConst -time 0.0

pattern Plain 2 Linear {
    load 14 1.0 0.0 0.0
}
integrator DisplacementControl 14 1 [expr {$target / $steps}]

set push [open push.out w]
set strength 0.0
set at 0.0
set stiffness 0.0
for {set step 1} {$step <= $steps} {incr step} {
    if {[analyze 1] != 0} {
        error "no convergence at a drift of [expr {double($step) / $steps * 4.0}] %"
    }
    set drift [expr {[nodeDisp 14 1] / $height}]
    set shear [getTime]
    puts $push "$drift $shear"
    if {$step == 1} {
        set stiffness [expr {$shear / ($drift * $height)}]
    }
    if {$shear > $strength} {
        set strength $shear
        set at $drift
    }
}
close $push

# When all four springs yield the frame is a mechanism: 4 Mp = V h + P d.
set exact [expr {(4.0 * $Mp - $gravity * $target) / $height}]
set result [open result.json w]
puts $result "{\"strength\": $strength, \"drift_at_strength\": $at, \"stiffness\": $stiffness,\
    \"shear_at_end\": $shear, \"shear_of_mechanism\": $exact}"
close $result
