# The Tcl runner: runs one bundle of cases inside an OpenSees interpreter, for apps that take only a Tcl script.
#
# It is to OpenSees, OpenSeesSP and OpenSeesMP what runner.py is to everything else, and leaves the same files. It
# travels beside its bundle and must work there alone: Tcl 8.5 or later, no packages (8.6 brings its own zlib; with 8.5
# an `unzip` or a `python3` is needed, and outputs are stored without compression).
#
#     ibrun OpenSeesMP runner.tcl          OpenSees runner.tcl          OpenSees < runner.tcl
#
#     results.jsonl      records, one JSON object per line, by all ranks: the truth about the cases
#     out-000.zip ...    what the cases left that is to be kept
#     out-rank-0003.zip  the same of one rank, until rank 0 joins them at the end
#     runner.ranks/      where the ranks meet; removed at the end
#
# Theory of operation
# -------------------
# Each rank runs one case after the other in its own interpreter, by `source`, at the global level. No barrier and no
# message of MPI is needed: the ranks meet through files, and a file that is created exclusively (O_EXCL: atomic on
# Lustre, GPFS and NFS) belongs to one of them only. So are the job, the unpacking of inputs, and each case claimed;
# cases are shared dynamically, longest first, as a rank that is done takes the next one that nobody has.
#
# Rank 0 claims the job, looks for the shared inputs, unpacks, and admits the ranks that have said hello; a process that
# is not admitted (left over from another launch, or late) runs nothing. At the end it waits for the others, joins
# their ZIPs and writes the `end` record. A solver that does not know its rank says "0 of 1" in every process: then
# nothing is run, rather than every case many times.
#
# What happens in a case stays in it: its directory, globals, procs, environment, channels and the model are cleared,
# `exit` ends the case and not the job. What one process cannot do for itself it does not promise: a case that never
# ends, or takes all memory, ends its rank; what is printed goes to the job's output, after a line that names the
# case. As in runner.py, a record is one write of one whole line after everything that it speaks of: what it
# says was kept is in a ZIP by then, whose entries can be read without its table of contents.
#
# All strings that the node got from elsewhere (bundle.tcl) are data, never code.

namespace eval ::weft {
    variable FORMAT 1
    # Exit codes: those of runner.py, and two for ranks.
    variable BUNDLE 64 SHARED 66 RANKS 69 INTERNAL 70 RANK_DIED 71 CANNOT_WRITE 74 OTHER_RUNNER 75 TERMINATED 143
    variable FULL_DISK {ENOSPC EDQUOT EFBIG EROFS EIO}
    variable HELLO_SECONDS 120   ;# for which rank 0 waits for the others: some NFS show a new file after a minute
    variable GO_SECONDS 900      ;# for which they wait for it, as it may have much to unpack
    variable LOCK_SECONDS 20     ;# after which who holds the records' lock must have died
    variable RESULT_BYTES 500000 ;# a record must fit into one write, which Tcl does with up to 10^6 bytes
    variable TAIL_LINES 20 TAIL_CHARS 2000
    variable AT_ONCE 16777216    ;# larger files are compressed piece by piece
    variable ZIP_BYTES 4000000000 ZIP_ENTRIES 60000 ;# these ZIPs have no 64-bit fields

    variable folder "" meet "" work "" leads 0 began 0 bundle {} rank 0 ranks 1 members {} hosts 1
    variable claim_note "" killed_at "" deadline_from "" stop_at "" reserve 0 worthwhile 0
    variable claimed {} in_vain 0 left_out 0 longest 0.0 busy 0.0 cases_span 0.0 ran_cases 0
    variable records "" records_path "" torn 0 packed {} exited "" base {} renamed {} put_aside 0
    variable zips {} zip_name "" zip_numbers 0 zip_channel "" zip_path "" zip_offset 0 zip_central "" zip_count 0
}

# --- the job -----------------------------------------------------------------------------------------------

# Runs the job; returns the exit code of this process.
proc ::weft::main {} {
    variable folder; variable meet; variable began; variable rank; variable records_path
    set began [now]
    encoding system utf-8 ;# names of files are what they are, whatever the locale of the node
    set folder [find_folder]
    set meet $folder/runner.ranks
    set records_path $folder/results.jsonl
    set rank [ask_solver getPID 0]
    set end [attempt [expr {$rank == 0 ? "::weft::lead" : "::weft::follow"}]]
    if {[llength $end]} {
        say [lindex $end 1]
        return [lindex $end 0]
    }
    return 0
}

# Ends the job: with this exit code, for this reason.
proc ::weft::end_job {code why} {
    return -code error -errorcode [list WEFT $code] $why
}

# Does a part of the job; returns nothing, or the exit code and the reason why the job has to end.
proc ::weft::attempt {script} {
    variable INTERNAL; variable CANNOT_WRITE; variable folder
    if {![catch {uplevel #0 $script} why]} {
        return {}
    }
    set code $::errorCode
    if {[lindex $code 0] eq "WEFT"} {
        return [list [lindex $code 1] [one_line $why]]
    }
    if {[lindex $code 0] eq "POSIX"} {
        return [list $CANNOT_WRITE [one_line "cannot write $folder: $why"]]
    }
    say $::errorInfo
    return [list $INTERNAL [one_line "internal error of the runner: $why"]]
}

proc ::weft::find_folder {} {
    set script [info script] ;# empty where the script comes from stdin
    set beside [file dirname [file normalize $script]]
    return [choose [expr {$script ne "" && [file exists $beside/bundle.zip]}] $beside [pwd]]
}

# Asks a command that only parallel solvers have.
proc ::weft::ask_solver {command default} {
    if {[llength [info commands ::$command]] && ![catch {::$command} said] && [string is integer -strict $said]} {
        return $said
    }
    return $default
}

# Rank 0: everything from the claim to the `end` record.
proc ::weft::lead {} {
    variable ranks
    set unread [attempt ::weft::read_bundle]
    set ranks [ask_solver getNP 1]
    set alone [expr {$ranks == 1 ? [expected_ranks] : 1}]
    claim_job $alone
    open_records
    write_runner $alone
    set end [expr {[llength $unread] ? $unread : [attempt [list ::weft::do_spans $alone]]}]
    set packing [now]
    set packed [attempt {::weft::pack_all}]
    set end [expr {[llength $end] ? $end : $packed}]
    write_end $end $packing
    if {[llength $end]} {
        end_job [lindex $end 0] [lindex $end 1]
    }
}

proc ::weft::do_spans {alone} {
    variable began; variable RANKS
    if {$alone > 1} {
        end_job $RANKS "$alone processes were started, and each says that it is rank 0 of 1: no case was run, as each\
            would have run all of them; use a solver that knows its rank (OpenSeesMP), or one process"
    }
    set start $began
    set failed [catch {
        refuse_what_cannot_be
        check_shared
        make_meeting
        enter_work [now]
        admit
    } why options]
    write_span UNPACK $start
    if {$failed} {
        return -options $options $why
    }
    set start [now]
    set failed [catch {run_cases} why options]
    write_span CASES $start
    if {$failed} {
        return -options $options $why
    }
}

# Any other rank: says hello, and runs cases if it is admitted.
proc ::weft::follow {} {
    variable meet; variable rank; variable bundle; variable busy; variable zips; variable GO_SECONDS
    file mkdir $meet
    set me "hello.$rank.[info hostname].[pid].[clock microseconds]"
    create $meet/$me ""
    wait_until [list ::weft::is_decided $me] [expr {[now] + $GO_SECONDS}]
    if {[catch {read_whole $meet/go} go] || $me ni [dict get $go members]} {
        say "rank $rank: nothing to do"
        catch {file delete $meet/$me}
        return
    }
    set bundle [read_whole $meet/bundle.tcl]
    take_members [dict get $go members] [dict get $go host]
    set_deadline [dict get $go killed_at]
    open_records
    set end [attempt [list ::weft::follow_through [dict get $go token]]]
    catch {zip_finish}
    write_whole $meet/done.$rank [encoding convertto utf-8 [list busy $busy end $end zips $zips]]
    leave_work
    if {[llength $end]} {
        say "rank $rank: [lindex $end 1]" ;# and exits with 0: a launcher would kill the others; rank 0 tells
    }
}

# Tells whether rank 0 has said who takes part, or has ended before it came to that.
proc ::weft::is_decided {me} {
    variable meet; variable records_path
    return [expr {[file exists $meet/go] || ![file exists $meet/$me] || [has_ended $records_path]}]
}

proc ::weft::has_ended {records_path} {
    return [expr {![catch {read_whole $records_path} text] && [string first {"t": "end"} $text] >= 0}]
}

proc ::weft::follow_through {token} {
    enter_work $token
    run_cases
}

# --- claims and ranks --------------------------------------------------------------------------------------

# Returns how many processes this job was started with, as far as bundle and environment tell.
proc ::weft::expected_ranks {} {
    variable bundle
    # In the script of a batch job SLURM_NTASKS is what may be started, not what was: the bundle knows better.
    set given [dict_or $bundle ranks ""]
    set most [expr {$given ne "" ? $given : [environment SLURM_NTASKS]}]
    foreach name {PMI_SIZE OMPI_COMM_WORLD_SIZE MV2_COMM_WORLD_SIZE SLURM_STEP_NUM_TASKS} {
        set most [expr {max($most, [environment $name])}]
    }
    return $most
}

proc ::weft::environment {name} {
    return [expr {[info exists ::env($name)] && [string is integer -strict $::env($name)] ? $::env($name) : 1}]
}

# Makes this process the only one that runs the job, or ends it with nothing touched.
proc ::weft::claim_job {alone} {
    variable bundle; variable folder; variable meet; variable ranks; variable records_path
    variable OTHER_RUNNER; variable RANKS
    set claim [dict_or $bundle claim ""]
    set why ""
    if {[file exists $records_path]} {
        set why "$folder: this job has been run already (results.jsonl exists); a retry is a new job"
    } elseif {$claim ne ""} {
        set why [take_claim $claim]
        if {$why ne "" && $ranks > 1} {
            make_meeting
            write_whole $meet/go {members {}} ;# our other ranks need not wait
        }
    }
    if {$why eq "" && ![create $records_path ""]} {
        set why "$folder: another runner of this job has begun"
    }
    if {$why eq ""} {
        return
    }
    if {$alone > 1} {
        # One of us says why nothing is run. A launcher may kill all as soon as the first fails: let it be done.
        wait_until [list ::weft::has_ended $records_path] [expr {[now] + 10}]
        end_job $RANKS "$alone processes were started, and each says that it is rank 0 of 1"
    }
    end_job $OTHER_RUNNER $why
}

# Makes the directory of the claim ours; returns why not, if another runner was first. One that cannot be made keeps
# nobody from running the job; the runner's record says so.
proc ::weft::take_claim {claim} {
    variable bundle; variable claim_note
    set tapis [expr {[info exists ::env(_tapisJobUUID)] ? [json_string $::env(_tapisJobUUID)] : "null"}]
    set me "{\"job\": [json_string [dict get $bundle job]], \"host\": [json_string [info hostname]],\
        \"pid\": [pid], \"at\": [now], \"tapis\": $tapis}"
    if {[catch {
        file mkdir $claim
        create $claim/runner.json $me
    } made]} {
        set claim_note "nothing keeps this job from being run twice, as $claim cannot be made: $made"
    } elseif {!$made} {
        set owner "not by whom"
        catch {set owner [read_whole $claim/runner.json]}
        return "this job has been started already: $claim says $owner"
    }
    return ""
}

proc ::weft::make_meeting {} {
    variable meet; variable bundle
    file mkdir $meet
    write_whole $meet/bundle.tcl $bundle
}

# Rank 0: waits for the other ranks to say hello, and tells them to go; at most one process for each rank.
proc ::weft::admit {} {
    variable meet; variable ranks; variable bundle; variable HELLO_SECONDS; variable work; variable killed_at
    set host [info hostname]
    set shared [dict_or $bundle ranks ""]
    if {$shared ne ""} {
        set ranks [expr {min($ranks, $shared)}] ;# of OpenSeesSP's processes only the first runs scripts
    }
    wait_until {expr {[dict size [::weft::hellos]] >= $::weft::ranks - 1}} [expr {[now] + $HELLO_SECONDS}]
    set members [dict values [hellos]]
    write_whole $meet/go [list members $members host $host token [file tail $work] killed_at $killed_at]
    if {[llength $members] < $ranks - 1} {
        say "only [llength $members] of [expr {$ranks - 1}] other ranks have come"
    }
    take_members $members $host
}

# Returns the files by which other ranks have said hello, by rank.
proc ::weft::hellos {} {
    variable meet; variable ranks
    set found {}
    foreach name [lsort [glob -nocomplain -directory $meet -tails hello.*]] {
        set rank [lindex [split $name .] 1]
        if {$rank > 0 && $rank < $ranks && ![dict exists $found $rank]} {
            dict set found $rank $name
        }
    }
    return $found
}

proc ::weft::take_members {names first_host} {
    variable members; variable hosts; variable ranks
    set members {}
    set all [list $first_host]
    foreach name $names {
        regexp {^hello\.(\d+)\.(.*)\.(\d+)\.\d+$} $name -> rank host pid
        # Only of a process that is seen now can it be told later that it is gone.
        set seen [expr {$host eq [info hostname] && [is_alive $pid]}]
        dict set members $rank [list $host $pid $seen]
        lappend all $host
    }
    set hosts [llength [lsort -unique $all]]
    set ranks [expr {[dict size $members] + 1}]
}

proc ::weft::is_alive {pid} {
    return [expr {![catch {read_whole /proc/$pid/stat} about] && ![regexp {\) Z [^)]*$} $about]}]
}

# Returns the ranks out of these that are not done yet, and those that have died.
proc ::weft::not_done {among} {
    variable meet; variable members
    set running {}
    set dead {}
    foreach rank $among {
        lassign [dict get $members $rank] host pid seen
        set gone [expr {$seen && ![is_alive $pid]}] ;# before looking for what it did last
        if {![file exists $meet/done.$rank] && [file exists $meet]} {
            lappend [expr {$gone ? "dead" : "running"}] $rank
        }
    }
    return [list $running $dead]
}

# --- the bundle --------------------------------------------------------------------------------------------

proc ::weft::read_bundle {} {
    variable folder; variable bundle; variable FORMAT; variable BUNDLE
    set path $folder/bundle.zip
    if {[catch {
        set bundle [encoding convertfrom utf-8 [bundle_text $path]]
        if {[dict get $bundle format] ne $FORMAT} {
            error "format [dict get $bundle format] instead of $FORMAT"
        }
        foreach key {study job cases} {
            dict get $bundle $key
        }
        set carry [dict_or [dict_or $bundle continue {}] files {}]
        foreach pattern [concat [dict_or $bundle keep {}] [dict_or $bundle expect {}] $carry] {
            matches $pattern ""
        }
    } why]} {
        end_job $BUNDLE "$path is not a bundle this runner can read: $why"
    }
    find_deadline
    set_deadline $::weft::killed_at
}

# Returns the text of bundle.tcl.
proc ::weft::bundle_text {path} {
    if {[has_zlib]} {
        set toc [unzip_list $path]
        if {![dict exists $toc bundle.tcl]} {
            error "it has no bundle.tcl"
        }
        return [unzip_member $path bundle.tcl [dict get $toc bundle.tcl]]
    }
    foreach command [list [list unzip -p $path bundle.tcl] [list python3 -c \
            "import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv\[1\]).read('bundle.tcl'))" $path]] {
        if {![catch {
            set channel [open |$command rb]
            set text [read $channel]
            close $channel
        } why]} {
            return $text
        }
    }
    error $why
}

proc ::weft::refuse_what_cannot_be {} {
    variable bundle; variable BUNDLE
    foreach {key what} {setup "set-up lines" finish "a finish command"} {
        if {[llength [dict_or $bundle $key {}]]} {
            end_job $BUNDLE "cases that run in the solver itself cannot have $what"
        }
    }
    set rule [dict_or $bundle continue {}]
    if {[llength $rule] && [dict_or $rule exit ""] eq ""} {
        end_job $BUNDLE "cases that run in the solver itself can only be continued if they ask for it, by an exit code"
    }
}

# Looks for the shared inputs, as the job is no use without them.
proc ::weft::check_shared {} {
    variable bundle; variable folder; variable SHARED
    foreach entry [dict_or $bundle shared {}] {
        set root [file join $folder [dict get $entry path]]
        foreach file [dict get $entry files] {
            lassign $file rel size
            set path [choose [expr {$rel eq ""}] $root $root/$rel]
            set why ""
            if {[catch {file stat $path about}]} {
                set why "$path: [string totitle [lindex $::errorCode 2] 0 0]"
            } elseif {$about(size) != $size} {
                set why "$path has $about(size) bytes instead of $size"
            }
            if {$why ne ""} {
                set hint [expr {[dict_or $entry hint ""] eq "" ? "" : "; [one_line [dict get $entry hint]]"}]
                set why [one_line "shared input [dict get $entry name]: $why"] ;# the hint is never cut off
                end_job $SHARED "[string range $why 0 [expr {499 - [string length $hint]}]]$hint"
            }
        }
    }
}

# Unpacks everything into the present work directory.
proc ::weft::unpack {} {
    variable folder; variable work; variable BUNDLE
    set path $folder/bundle.zip
    if {[has_zlib]} {
        if {[catch {unzip_all $path $work} why options]} {
            if {[lindex $::errorCode 0] eq "POSIX"} {
                return -options $options $why
            }
            end_job $BUNDLE "bundle.zip is damaged: $why"
        }
        return
    }
    if {[catch {exec unzip -q -o $path -d $work 2>@1} first] &&
            [catch {exec python3 -m zipfile -e $path $work 2>@1} why]} {
        end_job $BUNDLE "bundle.zip cannot be unpacked: unzip: $first; python3: $why"
    }
}

# Enters the work directory that all ranks of this host share; the first to come fills it.
proc ::weft::enter_work {token} {
    variable work; variable leads; variable GO_SECONDS
    set work [work_path $token]
    set leads [create $work.lead "[info hostname] [pid]"]
    if {$leads} {
        if {[catch {
            file mkdir $work/inputs $work/cases
            unpack
        } why options]} {
            catch {write_whole $work.failed [one_line $why]}
            return -options $options $why
        }
        write_whole $work.ready ""
    } else {
        wait_until {expr {[file exists $::weft::work.ready] || [file exists $::weft::work.failed]}} \
            [expr {[now] + $GO_SECONDS}]
        if {![file exists $work.ready]} {
            end_job $::weft::CANNOT_WRITE "the inputs were not unpacked at $work"
        }
    }
    file mkdir $work/run
}

# Returns where this job's work directory is on this host. Rank 0 names it by the time, the others by that name.
proc ::weft::work_path {token} {
    variable bundle; variable folder
    set parent $folder
    switch [dict_or $bundle workdir node] {
        node {set names {WEFT_NODE_DIR TMPDIR}}
        scratch {set names SCRATCH}
        default {set names {}}
    }
    foreach name [lreverse $names] {
        if {[info exists ::env($name)] && $::env($name) ne ""} {
            set parent $::env($name)
        }
    }
    if {$parent eq $folder && "TMPDIR" in $names} {
        set parent /tmp
    }
    if {[string is double -strict $token]} {
        regsub -all {[^A-Za-z0-9_.-]} [dict get $bundle job] _ job
        set token [format weft-%s-%.0f-%d [string range $job 0 39] [expr {$token * 1e6}] [pid]]
    }
    return [file normalize $parent]/$token
}

# Removes the work directory, once the ranks that share it are done with it.
proc ::weft::leave_work {} {
    variable work; variable leads; variable members; variable rank; variable stop_at
    catch {cd $::weft::folder}
    if {!$leads} {
        return
    }
    set users {} ;# rank 0 comes first: what it leads may be seen by all hosts, what others lead by their own only
    foreach {other about} $members {
        if {$other != $rank && ($rank == 0 || [lindex $about 0] eq [info hostname])} {
            lappend users $other
        }
    }
    if {[wait_until [list ::weft::all_ended $users] [closing_time]]} {
        remove $work
        file delete $work.ready $work.failed $work.lead
    }
}

proc ::weft::all_ended {among} {
    return [expr {[llength [lindex [not_done $among] 0]] == 0}]
}

# --- the deadline ------------------------------------------------------------------------------------------

# Finds out when the job will be killed, and how we know: Slurm says it, or it is the job's time since it began; its
# session is older than we are where it loaded modules before.
proc ::weft::find_deadline {} {
    variable bundle; variable began; variable killed_at; variable deadline_from
    set seconds [dict_or $bundle deadline_s ""]
    if {$seconds eq ""} {
        return
    }
    if {[info exists ::env(SLURM_JOB_END_TIME)] && [string is digit -strict $::env(SLURM_JOB_END_TIME)]} {
        set killed_at $::env(SLURM_JOB_END_TIME)
        set deadline_from SLURM_JOB_END_TIME
        if {$began < $killed_at && $killed_at <= $began + $seconds + 60} { ;# Slurm counts whole minutes
            return
        }
    }
    set age [session_age]
    set age [expr {0 <= $age && $age < $seconds ? $age : 0.0}] ;# an older one is not of this job
    set killed_at [expr {$began - $age + $seconds}]
    set deadline_from [expr {$age >= 1 ? "session" : "runner"}]
}

# Returns for how many seconds the leader of our session has run; 0 if that is unknown.
proc ::weft::session_age {} {
    set age 0.0
    catch {
        regexp {^.*\) (.*)$} [read_whole /proc/self/stat] -> own
        regexp {^.*\) (.*)$} [read_whole /proc/[lindex $own 3]/stat] -> leader
        set age [expr {[lindex [read_whole /proc/uptime] 0] - [lindex $leader 19] / 100.0}] ;# USER_HZ
    }
    return $age
}

# Reckons until when cases may run: what is left before the job is killed, less what packing needs.
proc ::weft::set_deadline {at} {
    variable bundle; variable killed_at; variable stop_at; variable reserve; variable worthwhile
    set killed_at $at
    if {$killed_at ne ""} {
        set seconds [dict get $bundle deadline_s]
        set reserve [packing_reserve $seconds]
        set worthwhile [expr {min(60.0, 0.2 * $seconds)}] ;# for a case that can be continued elsewhere
        set stop_at [expr {$killed_at - $reserve}]
    }
}

proc ::weft::packing_reserve {seconds} {
    return [expr {min(max(10.0, min(120.0, 0.02 * $seconds)), 0.25 * $seconds)}]
}

# Until when to wait for other ranks at the end; for ever where there is no deadline: then the scheduler ends us.
proc ::weft::closing_time {} {
    variable stop_at; variable reserve
    return [expr {$stop_at eq "" ? "Inf" : $stop_at + $reserve / 2}]
}

# Tells whether somebody who can reach only our files wants the job to end in good order.
proc ::weft::asked_to_stop {} {
    variable folder
    return [file exists $folder/stop]
}

# Tells whether a case may start: it has to end before the job must stop.
proc ::weft::may_start {case} {
    variable bundle; variable stop_at; variable longest; variable worthwhile
    if {[asked_to_stop]} {
        return 0
    }
    if {$stop_at eq ""} {
        return 1
    }
    set estimate [dict_or $case seconds ""]
    if {$estimate eq ""} {
        set minutes [dict_or $case minutes [dict_or $bundle minutes ""]]
        set estimate [expr {$minutes eq "" ? $longest : 60.0 * $minutes}]
    }
    if {[llength [dict_or $bundle continue {}]]} {
        set estimate [expr {min($estimate, $worthwhile)}]
    }
    return [expr {[now] + $estimate < $stop_at}]
}

# --- running cases -----------------------------------------------------------------------------------------

# Runs cases until none is left that this rank may have.
proc ::weft::run_cases {} {
    variable bundle; variable rank; variable ran_cases; variable cases_span; variable left_out; variable TERMINATED
    set ran_cases 1
    zip_begin
    remember_base
    set cases [dict get $bundle cases]
    set began [now]
    set index -1
    set skipped {}
    while {[set index [next_case [incr index] [llength $cases]]] >= 0} {
        set case [lindex $cases $index]
        if {[may_start $case] && [claim_case $index]} {
            run_case $case
        } elseif {![may_start $case]} {
            lappend skipped $index
        }
    }
    if {$rank > 0} {
        return
    }
    set running [wait_for_ranks]
    set cases_span [expr {[now] - $began}]
    count_left_out $skipped
    tell_of_ranks $running
    if {$left_out} {
        set why [choose [asked_to_stop] "asked to stop" "they would not have ended before the job's deadline"]
        end_job $TERMINATED "$left_out cases were not started: $why"
    }
}

# Returns the first case from this one on that nobody seems to have; -1 if there is none.
proc ::weft::next_case {index count} {
    variable claimed
    while {$index < $count && [dict exists $claimed $index]} {
        incr index
    }
    return [expr {$index < $count ? $index : -1}]
}

# Takes a case; tells whether nobody else had it. After many in vain it looks which have gone: the others are far ahead.
proc ::weft::claim_case {index} {
    variable meet; variable ranks; variable claimed; variable rank; variable in_vain
    if {$ranks == 1 || [create $meet/case.$index $rank]} {
        set in_vain 0
        return 1
    }
    if {[incr in_vain] % 64 == 0} {
        foreach name [glob -nocomplain -directory $meet -tails case.*] {
            dict set claimed [lindex [split $name .] 1] 1
        }
    }
    return 0
}

# Rank 0: waits until the others are done; returns those that still run as the job must close.
proc ::weft::wait_for_ranks {} {
    variable members
    wait_until [list ::weft::all_ended [dict keys $members]] [closing_time]
    return [lindex [not_done [dict keys $members]] 0]
}

# Returns what a rank said when it was done: its busy seconds, why it ended if not for want of cases, its ZIPs.
proc ::weft::read_done {rank} {
    return [encoding convertfrom utf-8 [read_whole $::weft::meet/done.$rank]]
}

# Rank 0: ends the job if another rank could not do its part.
proc ::weft::tell_of_ranks {running} {
    variable members; variable busy; variable RANK_DIED; variable TERMINATED
    foreach dead [lindex [not_done [dict keys $members]] 1] {
        end_job $RANK_DIED "rank $dead died: the case that it ran has no record of an end"
    }
    if {[llength $running]} {
        end_job $TERMINATED "stopped before the job's deadline, while ranks [join $running {, }] still ran cases"
    }
    set ended {}
    foreach rank [dict keys $members] {
        set done [read_done $rank]
        set busy [expr {$busy + [dict get $done busy]}]
        if {[llength [dict get $done end]] && ![llength $ended]} {
            lassign [dict get $done end] code why
            set ended [list $code "rank $rank: $why"]
        }
    }
    if {[llength $ended]} {
        end_job {*}$ended
    }
}

proc ::weft::count_left_out {skipped} {
    variable left_out; variable meet; variable ranks
    foreach index $skipped {
        if {$ranks == 1 || ![file exists $meet/case.$index]} {
            incr left_out
        }
    }
}

# Runs one case and records it.
proc ::weft::run_case {case} {
    variable work; variable rank; variable busy; variable longest; variable packed
    set id [dict get $case id]
    set place $work/run/$id
    if {[catch {prepare $case $place} placed options]} {
        if {[full_disk $::errorCode]} {
            return -options $options $placed
        }
        set packed {kept 0 skipped {}}
        record_case $case [now] [now] {} [list FAILED "could not be started: [one_line $placed]" {} ""] {} 0 {}
        remove $place
        return
    }
    set start [now]
    write_record [format {"t": "start", "case": %s, "slot": %d, "at": %.6f, "pid": %d} \
        [json_string $id] $rank $start [pid]]
    catch {puts stdout "weft: case $id starts on rank $rank"; flush stdout}
    set before [usage]
    set verdict [evaluate $case $place]
    set used [usage_since $before]
    set end [now]
    set busy [expr {$busy + $end - $start}]
    set longest [expr {max($longest, $end - $start)}]
    conclude $case $place $placed $start $end $used $verdict
}

# Makes a case's directory; returns what was put there, which so is not the case's doing.
proc ::weft::prepare {case place} {
    variable bundle; variable folder; variable work
    remove $place
    file mkdir $place
    set links [input_links $case]
    foreach entry [dict_or $bundle shared {}] {
        lappend links [dict get $entry name] [file join $folder [dict get $entry path]]
    }
    set placed {}
    foreach {rel target} $links {
        file mkdir [file dirname $place/$rel]
        file link -symbolic $place/$rel [string trimright $target /]
        dict set placed $rel 1
    }
    set id [dict get $case id]
    foreach rel [dict_or $case rendered {}] {
        file mkdir [file dirname $place/$rel]
        file delete $place/$rel ;# a rendered file wins over an input of that name
        file copy $work/cases/$id/$rel $place/$rel
        dict set placed $rel 1
    }
    if {[dict_or $bundle params_file 0]} {
        file delete $place/params.json
        write_whole $place/params.json [dict get $case params_json]
        dict set placed params.json 1
    }
    foreach rel [dict_or $case carried {}] {
        foreach name [parents $rel] {
            if {[dict exists $placed $name]} { ;# a link, perhaps to a shared directory: nothing may be written there
                file delete $place/$name
                dict unset placed $name
            }
        }
        file mkdir [file dirname $place/$rel]
        file delete $place/$rel
        file rename $work/carry/$id/$rel $place/$rel
        dict unset placed $rel
    }
    return $placed
}

# Returns the directories that a relative path names on its way.
proc ::weft::parents {rel} {
    set found {}
    set parts [split $rel /]
    for {set n 0} {$n < [llength $parts] - 1} {incr n} {
        lappend found [join [lrange $parts 0 $n] /]
    }
    return $found
}

# Returns names and files of the inputs that a case sees: those of all cases, and its own.
proc ::weft::input_links {case} {
    variable work; variable bundle; variable inputs
    set own {}
    foreach name [dict get $bundle own] {
        dict set own $name 1
    }
    set links {}
    if {![info exists inputs]} {
        set inputs [files_below $work/inputs]
    }
    foreach rel $inputs {
        if {![dict exists $own $rel] || $rel in [dict_or $case files {}]} {
            lappend links $rel $work/inputs/$rel
        }
    }
    return $links
}

# Runs the user's script; returns outcome, why, exit code and the tail of what went wrong.
proc ::weft::evaluate {case place} {
    variable exited
    set exited ""
    set channels [file channels]
    clear_model
    cd $place
    set_parameters $case
    set code [catch {uplevel #0 [list source [dict get $case script]]} said]
    set info ""
    set errorcode ""
    catch {set info [own_words $::errorInfo]}
    catch {set errorcode $::errorCode}
    clear_up $channels
    if {$exited ne ""} {
        return [expr {$exited ? [list FAILED "exit $exited" $exited ""] : [list FINISHED "" 0 ""]}]
    }
    if {$code == 0 || $code == 2} {
        return {FINISHED {} 0 {}}
    }
    if {$code == 1 && [full_disk $errorcode]} {
        return [list INTERRUPTED [one_line $said] 1 [tail $info]]
    }
    if {$code != 1} {
        set said "the script ended with the return code $code"
        set info ""
    }
    set why [one_line $said]
    return [list FAILED [choose [expr {$why eq ""}] "an error without a message" $why] 1 [tail $info]]
}

# Leaves out of an error's trace how we called the script.
proc ::weft::own_words {info} {
    set end [string last "\n    invoked from within\n\"source " $info]
    return [choose [expr {$end < 0}] $info [string range $info 0 [expr {$end - 1}]]]
}

# Gives a case its parameters as global variables, its arguments as argv, and its environment.
proc ::weft::set_parameters {case} {
    variable bundle; variable rank; variable base; variable work; variable records_path
    foreach {name value} [dict_or $case params {}] {
        if {![dict exists $base globals $name]} {
            set ::$name $value
        }
    }
    set ::argv0 [dict get $case script]
    set ::argv [dict get $case argv]
    set ::argc [llength $::argv]
    foreach {name value} [concat [dict_or $bundle env {}] [dict_or $case env {}]] {
        set ::env($name) $value
    }
    array set ::env [list WEFT_STUDY [dict get $bundle study] WEFT_JOB [dict get $bundle job] WEFT_WORK $work \
        WEFT_RESULTS $records_path WEFT_SLOT $rank WEFT_CASE [dict get $case id] \
        WEFT_CONTINUES [dict_or $case continues 0]]
}

# Remembers what the interpreter has before the first case, so that what cases add can be removed, and what they replace
# be put back: `rename puts old_puts`, or a `proc recorder` of their own, must not outlive the case.
proc ::weft::remember_base {} {
    variable base
    if {[llength [info commands ::weft::real_exit]]} {
        return
    }
    rename ::exit ::weft::real_exit
    proc ::exit {{code 0}} {
        if {![string is integer -strict $code]} {
            error "expected integer but got \"$code\""
        }
        set ::weft::exited [expr {$code & 255}]
        return -code 117 "exit $code" ;# no code of Tcl's own, so nothing on the way up takes it for its own
    }
    set base [dict create globals {} procs {} commands {}]
    foreach name [info globals] {
        set about [expr {[array exists ::$name] ? "array" : [info exists ::$name] ? "scalar" : "none"}]
        switch $about {
            array {lappend about [array get ::$name]}
            scalar {lappend about [set ::$name]}
        }
        dict set base globals $name $about
    }
    foreach name [info procs ::*] {
        dict set base procs $name 1
    }
    rename ::proc ::weft::real_proc
    ::weft::real_proc ::proc {name arguments body} {
        uplevel 1 [list ::weft::keep_command $name]
        uplevel 1 [list ::weft::real_proc $name $arguments $body]
    }
    foreach name [info commands ::*] {
        dict set base commands $name 1
        trace add command $name rename ::weft::note_rename
    }
}

# Moves a command away, rather than have it lost to a proc of that name.
proc ::weft::keep_command {name} {
    variable base; variable put_aside
    set now [uplevel 1 [list namespace which -command $name]]
    set namespace [uplevel 1 namespace current]
    if {($namespace eq "::" || [string match ::* $name]) && [dict exists $base commands $now]
            && [string trimleft $name :] eq [string trimleft $now :]} {
        rename $now ::weft::aside[incr put_aside]
    }
}

proc ::weft::note_rename {old new operation} {
    variable renamed
    lappend renamed $old $new
}

# Removes what a case has left in the interpreter; the commands first, as the rest needs them.
proc ::weft::clear_up {channels} {
    variable base; variable renamed; variable folder
    set moved $renamed
    foreach {new old} [lreverse $moved] {
        catch {rename $old {}}
        catch {rename $new $old}
    }
    set renamed {}
    foreach name [info procs ::*] {
        if {![dict exists $base procs $name] && $name ne "::proc"} {
            catch {rename $name {}}
        }
    }
    clear_model ;# it makes recorders write what they still hold
    foreach channel [file channels] {
        if {$channel ni $channels} {
            catch {close $channel}
        }
    }
    foreach id [after info] {
        after cancel $id
    }
    catch {cd $folder}
    encoding system utf-8
    clear_globals
    catch {flush stdout}
    catch {flush stderr}
}

proc ::weft::clear_globals {} {
    variable base
    foreach name [info globals] {
        if {![dict exists $base globals $name]} {
            catch {unset ::$name}
        }
    }
    dict for {name about} [dict get $base globals] {
        lassign $about kind value
        if {$kind eq "array"} {
            array set was $value
            foreach key [array names ::$name] {
                if {![info exists was($key)]} {
                    catch {unset ::${name}($key)}
                } elseif {$was($key) ne [set ::${name}($key)]} {
                    catch {set ::${name}($key) $was($key)}
                }
            }
            foreach key [array names was] {
                if {![info exists ::${name}($key)]} {
                    catch {set ::${name}($key) $was($key)}
                }
            }
            unset was
        } elseif {$kind eq "scalar" && (![info exists ::$name] || [catch {set ::$name} now] || $now ne $value)} {
            catch {set ::$name $value}
        }
    }
}

proc ::weft::clear_model {} {
    if {[llength [info commands ::wipe]]} {
        catch {uplevel #0 ::wipe}
    }
}

# --- concluding a case -------------------------------------------------------------------------------------

# Judges, packs, records and removes an ended case.
proc ::weft::conclude {case place placed start end used verdict} {
    variable CANNOT_WRITE
    set files [list_files $place $placed]
    lassign [judge $case $files $verdict] verdict result carry
    set kept 0
    set skipped {}
    set broken [attempt [list ::weft::pack_case $case $files $carry]]
    if {[llength $broken]} {
        set verdict [list INTERRUPTED "its outputs could not be kept: [lindex $broken 1]" [lindex $verdict 2] ""]
        set carry {}
    } elseif {[lindex $verdict 0] eq "INTERRUPTED" && ![llength $carry]} {
        set broken [list $CANNOT_WRITE [lindex $verdict 1]]
    }
    record_case $case $start $end $used $verdict $result [own_files $case $files $placed] $carry
    remove $place
    if {[llength $broken]} {
        end_job {*}$broken
    }
}

# Returns the final verdict, the result, and the files from which the case is to be continued.
proc ::weft::judge {case files verdict} {
    variable bundle
    lassign $verdict outcome why exit
    set rule [dict_or $bundle continue {}]
    if {[llength $rule] && $outcome ne "INTERRUPTED" && $exit == [dict get $rule exit]} {
        set carry [to_carry $case $files [dict get $rule files]]
        if {[llength $carry]} {
            return [list [list INTERRUPTED "to be continued: it asked for that (exit $exit)" $exit ""] {} $carry]
        }
        set why "it asked to be continued (exit $exit) and left none of: [join [dict get $rule files] {, }]"
        return [list [list FAILED $why $exit ""] {} {}]
    }
    lassign [result_of $files] result bad ;# a case that gives up may still have measured something
    if {$outcome eq "FINISHED"} {
        set missing [missing_output $files]
        if {"$missing$bad" ne ""} {
            set verdict [list FAILED [choose [expr {$missing ne ""}] $missing $bad] 0 ""]
        }
    }
    return [list $verdict $result {}]
}

# Returns the files to go on from; what is rendered for every run anew tells nothing about this one.
proc ::weft::to_carry {case files patterns} {
    set found {}
    foreach file $files {
        lassign $file rel path kind
        if {$kind ne "other" && $rel ni [dict_or $case rendered {}] && $rel ne "params.json" &&
                [matches_any $patterns $rel]} {
            lappend found $file
        }
    }
    return $found
}

# Puts the files to keep, and those to carry, into the ZIP, and counts them.
proc ::weft::pack_case {case files carry} {
    variable bundle; variable packed; variable ZIP_BYTES
    set packed [dict create kept 0 skipped {}]
    set id [dict get $case id]
    foreach file $files {
        lassign $file rel path kind size
        if {$file in $carry || ![matches_any [dict_or $bundle keep {}] $rel]} {
            continue
        }
        if {$kind eq "other" || $size > $ZIP_BYTES || ![file readable $path]} {
            dict lappend packed skipped $rel
            continue
        }
        zip_add $id/$rel $path
        dict incr packed kept
    }
    foreach file $carry {
        zip_add carry/$id/[lindex $file 0] [lindex $file 1]
    }
}

# Counts the files that are the case's own doing.
proc ::weft::own_files {case files placed} {
    set count 0
    foreach file $files {
        set rel [lindex $file 0]
        incr count [expr {![dict exists $placed $rel] && $rel ni [dict_or $case carried {}]}]
    }
    return $count
}

proc ::weft::record_case {case start end used verdict result files carry} {
    variable rank; variable packed
    lassign $verdict outcome why exit tail
    set fields [list {"t": "case"} "\"case\": [json_string [dict get $case id]]" "\"outcome\": \"$outcome\"" \
        "\"exit\": [expr {$exit eq "" ? "null" : $exit}]" {"signal": null} \
        [format {"start": %.6f, "end": %.6f, "wall": %.6f} $start $end [expr {$end - $start}]] \
        "\"cpu\": [dict_or $used cpu 0.0]"]
    foreach name {memory read written printed} { ;# what it printed is the job's, and counted by nobody
        lappend fields "\"$name\": [dict_or $used $name null]"
    }
    lappend fields "\"slot\": $rank" "\"why\": [json_or_null $why]" "\"tail\": [json_or_null $tail]" \
        "\"files\": $files" "\"result\": [expr {$result eq "" ? "null" : $result}]" \
        "\"kept\": [dict get $packed kept]"
    if {[llength $carry]} {
        lappend fields "\"carried\": [llength $carry]"
    }
    set skipped [dict get $packed skipped]
    if {[llength $skipped]} {
        set note "[llength $skipped] files not kept, as they are special, unreadable, links to elsewhere, or above 4 GB:\
            [join [lrange $skipped 0 4] {, }]"
        lappend fields "\"note\": [json_string [one_line $note]]"
    }
    write_record [join $fields ", "]
}

# Lists what a case left: path below its directory, path, kind (file, link: within it, other), size.
proc ::weft::list_files {place placed} {
    set found {}
    foreach rel [files_below $place] {
        set path $place/$rel
        if {[catch {file lstat $path about}]} {
            continue
        }
        set kind other
        if {$about(type) eq "file"} {
            set kind file
        } elseif {$about(type) eq "link"} {
            if {[dict exists $placed $rel]} {
                continue
            }
            set path [real_path $path]
            if {[string first "[real_path $place]/" $path] == 0 && ![catch {file lstat $path about}]} {
                if {$about(type) eq "directory"} {
                    continue ;# what is in it is listed where it really is
                }
                set kind [expr {$about(type) eq "file" ? "link" : "other"}]
            }
        }
        lappend found [list $rel $path $kind $about(size)]
    }
    return $found
}

# Returns the paths, below a directory, of everything in it that is no directory; links are not followed.
proc ::weft::files_below {place} {
    set found {}
    set folders [list ""]
    while {[llength $folders]} {
        set folders [lassign $folders folder]
        foreach name [concat [glob -nocomplain -directory $place/$folder -tails *] \
                [glob -nocomplain -directory $place/$folder -tails -types hidden *]] {
            regsub {^\./} $name {} name ;# before a tilde
            if {$name in {. ..}} {
                continue
            }
            set rel $folder$name
            if {![catch {file lstat $place/$rel about}] && $about(type) eq "directory"} {
                lappend folders $rel/
            } else {
                lappend found $rel
            }
        }
    }
    return [lsort -unique $found]
}

# Resolves all links in a path, the last one too.
proc ::weft::real_path {path} {
    return [file dirname [file normalize $path/.weft]]
}

proc ::weft::missing_output {files} {
    variable bundle
    foreach pattern [dict_or $bundle expect {}] {
        set sizes {}
        foreach file $files {
            lassign $file rel path kind size
            if {$kind ne "other" && [matches $pattern $rel]} {
                lappend sizes $size
            }
        }
        if {![llength $sizes]} {
            return "expected output $pattern is missing"
        }
        if {[lindex [lsort -integer $sizes] end] == 0} {
            return "expected output $pattern is empty"
        }
    }
    return ""
}

# Returns the result as JSON for the record, or nothing and what is wrong with it.
proc ::weft::result_of {files} {
    variable bundle; variable RESULT_BYTES
    set name [dict_or $bundle result ""]
    if {$name eq ""} {
        return {}
    }
    regsub {^(\./)+} $name {} name
    foreach file $files {
        lassign $file rel path kind size
        if {$rel ne $name || $kind eq "other"} {
            continue
        }
        if {$size > $RESULT_BYTES} {
            return [list {} "the result $name has $size bytes: too large for a result"]
        }
        if {[catch {flat_json [read_whole $path] $name} result]} {
            return [list {} $result]
        }
        return [list $result {}]
    }
    return [list {} "the result $name is missing"]
}

# Tells whether a path matches a pattern; the rules are told in runner.py.
proc ::weft::matches {pattern rel} {
    variable compiled
    if {![info exists compiled($pattern)]} {
        set parts {}
        foreach part [split $pattern /] {
            if {$part ni {{} .}} {
                lappend parts $part
            }
        }
        set regex ""
        foreach part [lrange $parts 0 end-1] {
            append regex [expr {$part eq "**" ? "(?:\[^/\]+/)*" : "[name_regex $part]/"}]
        }
        set last [lindex $parts end]
        append regex [choose [expr {$last eq "**"}] .* [name_regex $last]]
        set compiled($pattern) "^(?:${regex}(?:/.*)?)$"
    }
    return [regexp -- $compiled($pattern) $rel]
}

proc ::weft::name_regex {part} {
    set regex ""
    foreach token [regexp -all -inline -- {\*+|\[!?\]?[^]]*\]|.} $part] {
        if {[string index $token 0] eq "*"} {
            append regex {[^/]*}
        } elseif {$token eq "?"} {
            append regex {[^/]}
        } elseif {[string index $token 0] eq "\[" && [string length $token] > 1} {
            set inner [string map [list \\ \\\\ \[ \\\[] [string range $token 1 end-1]]
            append regex "(?!/)\[[regsub {^!} $inner ^]\]"
        } else {
            append regex [regsub {[.*+?^$(){}|\\\[\]]} $token {\\&}]
        }
    }
    return $regex
}

proc ::weft::matches_any {patterns rel} {
    foreach pattern $patterns {
        if {[matches $pattern $rel]} {
            return 1
        }
    }
    return 0
}

# --- what a case used: Linux tells it of this process; elsewhere it is unknown -----------------------------

proc ::weft::usage {} {
    catch {
        set channel [open /proc/self/clear_refs w]
        puts -nonewline $channel 5 ;# the peak is counted anew from here (proc(5))
        close $channel
    }
    return [read_usage]
}

proc ::weft::read_usage {} {
    set used {}
    catch {
        regexp {^.*\) (.*)$} [read_whole /proc/self/stat] -> rest
        dict set used cpu [expr {([lindex $rest 11] + [lindex $rest 12]) / 100.0}] ;# USER_HZ
    }
    catch {
        regexp {VmHWM:\s+(\d+) kB} [read_whole /proc/self/status] -> peak
        dict set used memory [expr {$peak * 1024}]
    }
    catch {
        regexp {rchar: (\d+)\s+wchar: (\d+)} [read_whole /proc/self/io] -> read written
        dict set used read $read
        dict set used written $written
    }
    return $used
}

proc ::weft::usage_since {before} {
    set after [read_usage]
    foreach name {cpu read written} {
        if {[dict exists $before $name] && [dict exists $after $name]} {
            dict set after $name [expr {[dict get $after $name] - [dict get $before $name]}]
        }
    }
    if {[dict exists $after cpu]} {
        dict set after cpu [format %.2f [dict get $after cpu]]
    }
    return $after
}

# --- records -----------------------------------------------------------------------------------------------

proc ::weft::open_records {} {
    variable records; variable records_path
    set records [open $records_path {WRONLY APPEND}]
    fconfigure $records -translation binary -buffering full -buffersize 1000000
}

# Appends one record, in one write. On NFS two hosts that append at once overwrite each other: then it is their turn by
# a lock, and the file is opened anew, which makes NFS look how long it is now.
proc ::weft::write_record {fields} {
    variable records; variable hosts; variable torn
    set line "[expr {$torn ? "\n" : ""}]{\"v\": 1, $fields}\n"
    set torn 1
    if {$hosts > 1} {
        take_lock
        close $records
        open_records
    }
    puts -nonewline $records $line
    flush $records
    set torn 0
    if {$hosts > 1} {
        close $records
        open_records
        file delete $::weft::meet/lock
    }
}

# Waits for the lock on the records. Who holds it writes one line; if it is the same one for long, it has died.
proc ::weft::take_lock {} {
    variable meet; variable rank; variable LOCK_SECONDS
    set holder ""
    set since [now]
    while {![create $meet/lock "$rank [clock microseconds]"]} {
        after 5
        if {[catch {read_whole $meet/lock} seen]} {
            set seen ""
        }
        if {$seen ne $holder} {
            set holder $seen
            set since [now]
        } elseif {[now] - $since > $LOCK_SECONDS} {
            catch {file rename $meet/lock $meet/broken.$rank.[clock microseconds]}
        }
    }
}

proc ::weft::write_runner {alone} {
    variable bundle; variable ranks; variable began; variable claim_note; variable killed_at; variable deadline_from
    set cores 0
    catch {set cores [regexp -all -line {^processor\s*:} [read_whole /proc/cpuinfo]]}
    set cores [expr {[environment SLURM_CPUS_ON_NODE] > 1 ? [environment SLURM_CPUS_ON_NODE] : max(1, $cores)}]
    set memory 0
    catch {regexp {MemAvailable:\s+(\d+) kB} [read_whole /proc/meminfo] -> memory}
    set shared [dict_or $bundle ranks ""]
    set note "run by Tcl [info patchlevel] in the solver: [expr {$alone > 1 ? "$alone processes" : "rank 0 of $ranks"}]"
    set note "$note[expr {$claim_note eq "" ? "" : "; $claim_note"}]"
    write_record [join [list {"t": "runner"} "\"job\": [json_string [dict_or $bundle job {}]]" \
        "\"host\": [json_string [info hostname]]" "\"pid\": [pid]" {"python": ""} "\"cores\": $cores" \
        "\"memory\": [expr {$memory * 1024}]" "\"slots\": [expr {$shared eq "" ? $ranks : min($ranks, $shared)}]" \
        [format {"start": %.6f} $began] {"work": ""} \
        "\"deadline\": [expr {$killed_at eq "" ? "null" : $killed_at}]" \
        "\"deadline_from\": [json_or_null $deadline_from]" \
        "\"note\": [json_string $note]"] ", "]
}

proc ::weft::write_span {name start} {
    write_record [format {"t": "span", "span": "%s", "start": %.6f, "end": %.6f} $name $start [now]]
}

proc ::weft::write_end {end packing} {
    variable TERMINATED; variable busy; variable cases_span; variable ranks; variable left_out; variable zips
    lassign $end code why
    set code [expr {$code eq "" ? 0 : $code}]
    write_span PACK $packing
    set listed {}
    foreach {name size} $zips {
        lappend listed "\[\"$name\", $size\]"
    }
    set outcome [expr {$code == 0 ? "FINISHED" : $code == $TERMINATED ? "INTERRUPTED" : "FAILED"}]
    set idle [expr {max(0.0, $cases_span * $ranks - $busy)}]
    write_record [join [list {"t": "end"} "\"outcome\": \"$outcome\"" "\"why\": [json_or_null $why]" "\"exit\": $code" \
        [format {"at": %.6f} [now]] "\"slots\": $ranks" [format {"busy": %.6f, "idle": %.6f} $busy $idle] \
        "\"left_out\": $left_out" "\"zips\": \[[join $listed {, }]\]"] ", "]
}

# --- JSON --------------------------------------------------------------------------------------------------

proc ::weft::json_or_null {text} {
    return [expr {$text eq "" ? "null" : [json_string $text]}]
}

# Writes a string as JSON, in ASCII, so that no encoding and no half character can spoil a line.
proc ::weft::json_string {text} {
    set out ""
    set high ""
    foreach character [split $text ""] {
        scan $character %c code
        if {$high ne ""} {
            # Tcl 8 holds a character beyond 0xFFFF as two.
            append out [expr {$code >= 0xDC00 && $code <= 0xDFFF ? [format {\u%04x\u%04x} $high $code] : {\ufffd}}]
            set high ""
            if {$code >= 0xDC00 && $code <= 0xDFFF} {
                continue
            }
        }
        if {$code >= 0xD800 && $code <= 0xDBFF} {
            set high $code
        } elseif {$code >= 0xDC00 && $code <= 0xDFFF} {
            append out {\ufffd}
        } elseif {$code > 0xFFFF} {
            set code [expr {$code - 0x10000}]
            append out [format {\u%04x\u%04x} [expr {0xD800 + ($code >> 10)}] [expr {0xDC00 + ($code & 0x3FF)}]]
        } elseif {$code == 34 || $code == 92} {
            append out "\\$character"
        } elseif {$code < 32 || $code > 126} {
            append out [format {\u%04x} $code]
        } else {
            append out $character
        }
    }
    return "\"$out[expr {$high ne "" ? {\ufffd} : ""}]\""
}

# Reads a flat JSON object from bytes and returns it on one line; an error says what is wrong with it.
proc ::weft::flat_json {bytes name} {
    regsub {^\xef\xbb\xbf} $bytes {} bytes
    # What RFC 3629 allows; M is any further byte.
    set forms {[\x01-\x7f] [\xc2-\xdf]M \xe0[\xa0-\xbf]M [\xe1-\xec\xee\xef]MM \xed[\x80-\x9f]M \xf0[\x90-\xbf]MM
        [\xf1-\xf3]MMM \xf4[\x80-\x8f]MM}
    set utf8 "^(?:[string map {M {[\x80-\xbf]}} [join $forms |]])*\$"
    if {![regexp $utf8 $bytes]} {
        error "$name is not JSON: it is not UTF-8"
    }
    set string {"(?:[^"\\\x01-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"}
    set number {-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?}
    set blank {[ \t\r\n]*}
    if {![regexp "^$blank\\x7b$blank" $bytes head]} { ;# an opening brace
        error [expr {[regexp "^$blank\[\\\[\"0-9tfnNI-\]" $bytes] ? "$name is not a JSON object" :
            "$name is not JSON: it has no opening brace"}]
    }
    set at [string length $head]
    set found {}
    set more [expr {[string index $bytes $at] ne "\}"}]
    while {$more} {
        if {![regexp -start $at "\\A($string)$blank:$blank" $bytes all key]} {
            error "$name is not JSON: a name and a colon are missing at byte $at"
        }
        incr at [string length $all]
        set shown '[string range $key 1 end-1]'
        if {[string index $bytes $at] in {\{ \[}} {
            error "$name: $shown is nested: only numbers, strings, true, false and null may be results"
        }
        if {![regexp -start $at "\\A($string|$number|true|false|null|-?Infinity|NaN)$blank" $bytes all value]} {
            error "$name is not JSON: a value is missing at byte $at"
        }
        incr at [string length $all]
        check_value $name $shown $value
        check_value $name $shown $key
        dict set found $key $value
        set more [expr {[string index $bytes $at] eq ","}]
        if {$more} {
            regexp -start [incr at] "\\A$blank" $bytes all
            incr at [string length $all]
        }
    }
    if {![regexp -start $at "\\A\\x7d$blank\$" $bytes]} {
        error "$name is not JSON: a comma or the closing brace is missing at byte $at"
    }
    set fields {}
    dict for {key value} $found {
        lappend fields "$key: $value"
    }
    return "{[join $fields {, }]}"
}

# Sees that a value can stand in a record: a finite number, whole characters.
proc ::weft::check_value {name shown value} {
    if {[string index $value 0] eq "\""} {
        regsub -all {\\\\} $value {} rest
        regsub -all {\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}} $rest {} rest
        if {[regexp {\\u[dD][89a-fA-F]} $rest]} {
            error "$name is not JSON: $shown holds half a character"
        }
    } elseif {$value ni {true false null}} {
        if {[regexp {[IN]} $value] || [catch {expr {abs(double($value)) <= 1.7976931348623157e308}} fine] || !$fine} {
            error "$name: $shown is not finite"
        }
    }
}

# --- ZIP: what is needed of APPNOTE 6.3.9 ------------------------------------------------------------------

proc ::weft::has_zlib {} {
    return [llength [info commands ::zlib]]
}

# Returns the members of a ZIP: name to {method crc packed size mode offset}.
proc ::weft::unzip_list {path} {
    set channel [open $path rb]
    set failed [catch {
        seek $channel 0 end
        set size [tell $channel]
        seek $channel [expr {max(0, $size - 65557)}]
        set tail [read $channel]
        set at [string last "PK\x05\x06" $tail]
        if {$at < 0 || [binary scan $tail @[expr {$at + 10}]suiuiu count length start] != 3} {
            error "it is no ZIP file, or its end is missing"
        }
        if {$count == 0xFFFF || $start == 0xFFFFFFFF} {
            # ZIP64: the locator, 20 bytes before, tells where the larger record is.
            binary scan $tail @[expr {$at - 12}]w where
            seek $channel $where
            binary scan [read $channel 56] @32www count length start
        }
        seek $channel $start
        set found [read_toc [read $channel $length] $count]
    } result options]
    close $channel
    if {$failed} {
        return -options $options $result
    }
    return $found
}

proc ::weft::read_toc {toc count} {
    set found {}
    set at 0
    for {set n 0} {$n < $count} {incr n} {
        if {[binary scan $toc @${at}iux6sux4iuiuiususux6iuiu magic method crc packed size name_length extra_length \
                attributes offset] != 9 || $magic != 0x02014b50} {
            error "its table of contents is damaged"
        }
        binary scan $toc @[expr {$at + 32}]su comment_length
        set name [encoding convertfrom utf-8 [string range $toc $at+46 [expr {$at + 45 + $name_length}]]]
        if {[string match /* $name] || ".." in [split $name /]} {
            error "the name $name would leave the directory"
        }
        dict set found $name [list $method $crc $packed $size [expr {$attributes >> 16}] $offset]
        incr at [expr {46 + $name_length + $extra_length + $comment_length}]
    }
    return $found
}

proc ::weft::unzip_member {path name about} {
    lassign $about method crc packed size mode offset
    set channel [open $path rb]
    seek $channel $offset
    binary scan [read $channel 30] iux22susu magic name_length extra_length
    seek $channel [expr {$offset + 30 + $name_length + $extra_length}]
    set data [read $channel $packed]
    close $channel
    if {$method == 8} {
        set data [zlib inflate $data]
    }
    if {[string length $data] != $size || [zlib crc32 $data] != $crc} {
        error "bad CRC-32 for file '$name'"
    }
    return $data
}

# Unpacks all members; those that cases see through links are made read-only.
proc ::weft::unzip_all {path to} {
    dict for {name about} [unzip_list $path] {
        if {[string match */ $name]} {
            file mkdir $to/$name
            continue
        }
        file mkdir [file dirname $to/$name]
        write_whole $to/$name [unzip_member $path $name $about]
        if {[string match inputs/* $name]} {
            file attributes $to/$name -permissions [expr {0o444 | ([lindex $about 4] & 0o111)}]
        }
    }
}

# Begins this rank's ZIPs: the job's own if there is one rank, else one of its own, to be joined by rank 0.
proc ::weft::zip_begin {} {
    variable zip_name; variable ranks; variable rank; variable zip_numbers; variable zips
    set zip_name [expr {$ranks == 1 ? "out-%03d.zip" : "out-rank-[format %04d $rank]-%03d.zip"}]
    set zip_numbers 0
    set zips {}
}

# Adds a file; what is in the ZIP then is whole, whatever happens next.
proc ::weft::zip_add {name path} {
    variable zip_channel; variable zip_offset; variable AT_ONCE
    file stat $path about
    set large [expr {$about(size) > $AT_ONCE}]
    set input [open $path rb]
    set content ""
    set size $about(size)
    if {!$large} {
        set content [read $input]
        set size [string length $content]
    }
    zip_make_room [expr {$size + 2 * [string length $name] + 200}]
    set start $zip_offset
    set member [list $name [dos_time $about(mtime)] [expr {$about(mode) & 0o177777}]]
    if {$large} {
        zip_stream $member $input $size
    } else {
        lassign [deflated $content] method data
        zip_write [zip_header $member $method [crc32 $content] [string length $data] $size]$data
        zip_enlist $member $method [crc32 $content] [string length $data] $size $start
    }
    close $input
}

proc ::weft::deflated {content} {
    if {[has_zlib]} {
        set data [zlib deflate $content 2]
        if {[string length $data] < [string length $content]} {
            return [list 8 $data]
        }
    }
    return [list 0 $content]
}

# Adds a large file piece by piece; its header comes last, into the gap left for it.
proc ::weft::zip_stream {member input size} {
    variable zip_channel; variable zip_offset
    set start $zip_offset
    set gap [string length [zip_header $member 0 0 0 0]]
    zip_write [string repeat \0 $gap]
    set crc 0
    set size 0
    set method [expr {[has_zlib] ? 8 : 0}]
    if {$method} {
        set deflater [zlib stream deflate -level 2]
    }
    while {[string length [set piece [read $input 1048576]]]} {
        incr size [string length $piece]
        set crc [crc32 $piece $crc]
        if {$method} {
            $deflater put $piece
            set piece [$deflater get]
        }
        zip_write $piece
    }
    if {$method} {
        $deflater finalize
        zip_write [$deflater get]
        $deflater close
    }
    set length [expr {$zip_offset - $start - $gap}]
    seek $zip_channel $start
    puts -nonewline $zip_channel [zip_header $member $method $crc $length $size]
    flush $zip_channel
    seek $zip_channel 0 end
    zip_enlist $member $method $crc $length $size $start
}

proc ::weft::zip_make_room {size} {
    variable zip_channel; variable zip_path; variable zip_offset; variable zip_central; variable zip_count
    variable zip_name; variable zip_numbers; variable folder; variable ZIP_ENTRIES
    set total [expr {$zip_offset + [string length $zip_central] + $size}]
    if {$zip_channel ne "" && ($total > [chunk_bytes] || $zip_count >= $ZIP_ENTRIES)} {
        zip_finish
    }
    if {$zip_channel eq ""} {
        set zip_path $folder/[format $zip_name $zip_numbers]
        incr zip_numbers
        set zip_channel [open $zip_path {RDWR CREAT TRUNC}]
        fconfigure $zip_channel -translation binary -buffering full -buffersize 1000000
        set zip_offset 0
        set zip_central ""
        set zip_count 0
    }
}

proc ::weft::chunk_bytes {} {
    variable bundle; variable ZIP_BYTES
    set given [dict_or $bundle chunk_bytes ""]
    return [expr {$given eq "" ? 2000000000 : min($given, $ZIP_BYTES)}]
}

proc ::weft::zip_write {data} {
    variable zip_channel; variable zip_offset
    puts -nonewline $zip_channel $data
    flush $zip_channel
    incr zip_offset [string length $data]
}

# Both headers share these fields: flags (the name is UTF-8), method, time, CRC, sizes.
proc ::weft::zip_common {member method crc packed size} {
    lassign $member name when
    return [binary format sssiiii 45 0x800 $method $when $crc $packed $size]
}

proc ::weft::zip_header {member method crc packed size} {
    set name [encoding convertto utf-8 [lindex $member 0]]
    return "PK\x03\x04[zip_common $member $method $crc $packed $size][binary format ss [string length $name] 0]$name"
}

proc ::weft::zip_enlist {member method crc packed size start} {
    variable zip_central; variable zip_count
    set name [encoding convertto utf-8 [lindex $member 0]]
    append zip_central "PK\x01\x02[binary format s [expr {3 << 8 | 45}]]" \
        [zip_common $member $method $crc $packed $size] \
        [binary format sssssii [string length $name] 0 0 0 0 [expr {[lindex $member 2] << 16}] $start] $name
    incr zip_count
}

# Writes the table of contents and closes the ZIP.
proc ::weft::zip_finish {} {
    variable zip_channel; variable zip_path; variable zip_offset; variable zip_central; variable zip_count; variable zips
    if {$zip_channel eq ""} {
        return
    }
    set at $zip_offset
    zip_write "$zip_central[binary format a4ssssiis "PK\x05\x06" 0 0 $zip_count $zip_count \
        [string length $zip_central] $at 0]"
    close $zip_channel
    set zip_channel ""
    lappend zips [file tail $zip_path] $zip_offset
}

# Rank 0: completes its ZIP, joins those of the other ranks, removes what the job does not leave.
proc ::weft::pack_all {} {
    variable ranks; variable meet; variable members; variable ran_cases; variable zips; variable hosts
    set failed [catch {
        zip_finish
        if {$ran_cases && $ranks > 1} {
            set parts [dict keys $zips]
            foreach rank [lsort -integer [dict keys $members]] {
                if {[file exists $meet/done.$rank]} {
                    lappend parts {*}[dict keys [dict get [read_done $rank] zips]]
                }
            }
            zip_join $parts
        }
    } why options]
    leave_work
    if {[all_ended [dict keys $members]]} {
        remove $meet
        set hosts 1 ;# nobody else writes records any more
    }
    if {$failed} {
        return -options $options $why
    }
}

# Makes the job's ZIPs from those of the ranks. Members are copied as they are; a part goes when its copy is whole.
proc ::weft::zip_join {parts} {
    variable folder; variable zip_name; variable zip_numbers; variable zips; variable zip_channel; variable zip_central
    variable zip_offset; variable zip_count
    set zip_name out-%03d.zip
    set zip_numbers 0
    set zips {}
    set joined {}
    foreach part $parts {
        set input [open $folder/$part rb]
        seek $input -22 end
        binary scan [read $input] x8ssuiuiu count_low count length start
        zip_make_room [expr {$start + $length}]
        seek $input $start
        set toc [read $input $length]
        seek $input 0
        fcopy $input $zip_channel -size $start
        close $input
        append zip_central [shifted_toc $toc $count $zip_offset]
        incr zip_offset $start
        incr zip_count $count
        lappend joined $folder/$part
    }
    zip_finish
    file delete {*}$joined
}

# Returns a table of contents whose members lie so many bytes further on.
proc ::weft::shifted_toc {toc count by} {
    set at 0
    set out ""
    for {set n 0} {$n < $count} {incr n} {
        binary scan $toc @[expr {$at + 28}]su name_length
        binary scan $toc @[expr {$at + 42}]iu offset
        append out [string range $toc $at $at+41] [binary format i [expr {$offset + $by}]] \
            [string range $toc $at+46 [expr {$at + 45 + $name_length}]]
        incr at [expr {46 + $name_length}]
    }
    return $out
}

# Returns time and date as DOS has them, in one number; 1980 where Tcl's clock is not there.
proc ::weft::dos_time {seconds} {
    set when [expr {1 << 21 | 1 << 16}]
    catch {
        set text [clock format [expr {min(max($seconds, 315619200), 4354732800)}] -format "%Y %m %d %H %M %S"]
        scan $text "%d %d %d %d %d %d" year month day hour minute second
        set when [expr {($year - 1980) << 25 | $month << 21 | $day << 16 | $hour << 11 | $minute << 5 | $second / 2}]
    }
    return $when
}

proc ::weft::crc32 {data {crc 0}} {
    variable crc_table
    if {[has_zlib]} {
        return [zlib crc32 $data $crc]
    }
    if {![info exists crc_table]} {
        for {set n 0} {$n < 256} {incr n} {
            set value $n
            for {set bit 0} {$bit < 8} {incr bit} {
                set value [expr {$value & 1 ? ($value >> 1) ^ 0xEDB88320 : $value >> 1}]
            }
            lappend crc_table $value
        }
    }
    set crc [expr {$crc ^ 0xFFFFFFFF}]
    binary scan $data cu* bytes
    foreach byte $bytes {
        set crc [expr {[lindex $crc_table [expr {($crc ^ $byte) & 255}]] ^ ($crc >> 8)}]
    }
    return [expr {$crc ^ 0xFFFFFFFF}]
}

# --- small things ------------------------------------------------------------------------------------------

proc ::weft::now {} {
    return [expr {[clock microseconds] / 1e6}]
}

# Returns one of two texts. `expr` has an operator for that, but takes what looks like a number for one, and 007 for 7.
proc ::weft::choose {condition one other} {
    if {$condition} {
        return $one
    }
    return $other
}

# Sleeps until a condition holds or it is too late; tells whether it holds.
proc ::weft::wait_until {condition until} {
    set pause 10
    while {![uplevel #0 $condition]} {
        if {[now] > $until} {
            return 0
        }
        after $pause
        set pause [expr {min(500, $pause * 3 / 2)}]
    }
    return 1
}

# Creates a file that must not exist; tells whether it was us.
proc ::weft::create {path content} {
    if {[catch {open $path {WRONLY CREAT EXCL}} channel options]} {
        if {[lindex $::errorCode 1] eq "EEXIST"} {
            return 0
        }
        return -options $options $channel
    }
    puts -nonewline $channel $content
    close $channel
    return 1
}

# Writes a file that appears whole or not at all.
proc ::weft::write_whole {path content} {
    set channel [open $path.[pid].part w]
    fconfigure $channel -translation binary
    puts -nonewline $channel $content
    close $channel
    file rename -force $path.[pid].part $path
}

proc ::weft::read_whole {path} {
    set channel [open $path rb]
    set content [read $channel]
    close $channel
    return $content
}

proc ::weft::dict_or {dictionary key default} {
    if {[dict exists $dictionary $key] && [dict get $dictionary $key] ne ""} {
        return [dict get $dictionary $key]
    }
    return $default
}

# Removes a directory even where its owner may not write; what resists is left.
proc ::weft::remove {path} {
    if {![catch {file delete -force $path}]} {
        return
    }
    catch {exec chmod -R u+rwX $path}
    catch {file delete -force $path}
}

proc ::weft::full_disk {code} {
    variable FULL_DISK
    return [expr {[lindex $code 0] eq "POSIX" && [lindex $code 1] in $FULL_DISK}]
}

proc ::weft::say {text} {
    catch {puts stderr "weft runner: $text"}
}

proc ::weft::one_line {text} {
    return [string range [string trim [regsub -all {\s+} $text " "]] 0 499]
}

# Returns the last lines of a text, as many as a record may carry.
proc ::weft::tail {text} {
    variable TAIL_LINES; variable TAIL_CHARS
    set lines [split [string trimright $text] \n]
    return [string range [join [lrange $lines end-[expr {$TAIL_LINES - 1}] end] \n] end-[expr {$TAIL_CHARS - 1}] end]
}

# One command, so that nothing of this file is left to be read from a stdin that a case might read.
set ::weft::code [::weft::main]; if {[llength [info commands ::weft::real_exit]]} {::weft::real_exit $::weft::code} else {exit $::weft::code}
