# shellcheck shell=bash
# cgroup.sh - the control groups that a node lives in, on cgroup v1 (one hierarchy per controller), v2, or both. Source it.
#
# A node gets the group stasis-k<K>/<i> in every hierarchy, and a cgroup namespace, so that it takes that for the root.
#
#   cgroup_create GROUP     in every hierarchy
#   cgroup_join GROUP       moves the calling shell ($BASHPID) into it
#   cgroup_thaw GROUP       a frozen process of v1 does not die of SIGKILL; also of GROUP's descendants
#   cgroup_remove GROUP     with its descendants, once they are empty; fails when they do not become so in 30 s

# "MOUNT_POINT OPTIONS" of each hierarchy; the options of v2 are "2".
cgroup_hierarchies()
{
    awk '{ for (i = 7; i <= NF; i++) if ($i == "-") break }
         $(i + 1) == "cgroup" { print $5, $(i + 3) }
         $(i + 1) == "cgroup2" { print $5, "2" }' /proc/self/mountinfo
}

# Where v2 is the only one, controllers must be handed down from the root.
cgroup_hand_down()
{
    local folder=$1 controller
    for controller in $(cat "$folder/cgroup.controllers"); do
        { printf '+%s' "$controller" >"$folder/cgroup.subtree_control"; } 2>/dev/null || :
    done
}

cgroup_create()
{
    local group=$1 mount options folder part
    while read -r mount options; do
        folder=$mount
        for part in ${group//\// }; do
            [ "$options" != 2 ] || cgroup_hand_down "$folder"
            folder=$folder/$part
            mkdir -p "$folder" || return 1
            if [ -e "$folder/cpuset.cpus" ] && [ -z "$(cat "$folder/cpuset.cpus")" ] && [ "$options" != 2 ]; then
                cat "$folder/../cpuset.cpus" >"$folder/cpuset.cpus" &&
                    cat "$folder/../cpuset.mems" >"$folder/cpuset.mems" || return 1
            fi
        done
        # A group of v2 has processes or children with controllers, never both: processes get one of their own.
        if [ "$options" = 2 ]; then
            cgroup_hand_down "$folder"
            mkdir -p "$folder/init"
        fi
    done < <(cgroup_hierarchies)
}

cgroup_join()
{
    local group=$1 mount options
    while read -r mount options; do
        [ "$options" != 2 ] || mount=$mount/$group/init group=
        printf '%s' "$BASHPID" >"$mount/$group/cgroup.procs" || return 1
        group=$1
    done < <(cgroup_hierarchies)
}

cgroup_thaw()
{
    local mount options folder
    while read -r mount options; do
        [ -d "$mount/$1" ] || continue
        find "$mount/$1" -depth -type d 2>/dev/null | while read -r folder; do
            { printf THAWED >"$folder/freezer.state" || printf 0 >"$folder/cgroup.freeze"; } 2>/dev/null || :
        done
    done < <(cgroup_hierarchies)
}

cgroup_remove()
{
    local mount options left=300
    while read -r mount options; do
        while [ -d "$mount/$1" ]; do
            find "$mount/$1" -depth -type d -exec rmdir {} + 2>/dev/null && break
            left=$((left - 1))
            [ "$left" -gt 0 ] || { say "the control group $mount/$1 does not become empty"; return 1; }
            sleep 0.1
        done
    done < <(cgroup_hierarchies)
}
