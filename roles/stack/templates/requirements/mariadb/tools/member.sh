{% if __inception_galera | default(false) %}
#!/bin/sh
# Which of the database's members starts it, and whom the others join (docs/decisions/0219-a-database-on-three-nodes.md). In the folder that all nodes
# have, each member that waits writes every two seconds what it has; nothing of it is taken for true unless it was seen to change.
#   member way        waits until it is known, and says "begin <position>" or "join <position> <addresses>"
#   member void       what the others have is worth nothing any more: the single database goes on in the folder of this one
#   member is_well    whether this member has all that was written, and says how it is
# shellcheck disable=SC2086 # names of members are words
set -euf
umask 077

volume=/var/lib/mysql
data=$volume/data
common=/var/lib/mysql-members
apart=/run/mysqld/apart
noted=/run/mysqld/noted

# Who may look has no password and no right but to look (entrypoint.sh).
status_of() {
    mariadb --no-defaults --user=check --connect-timeout=2 --batch --skip-column-names "$@" 2>/dev/null
}

# A server that says so is a part of the database.
is_primary() {
    [ "$(status_of --protocol=tcp --host="$1" --port="$MARIADB_PORT" --execute="SHOW GLOBAL STATUS LIKE 'wsrep_cluster_status'" | cut -f2)" = Primary ]
}

# In the network that members have to themselves, and nobody else is in.
own_address() {
    ip -4 -o address show | sed -n "s|.* inet \($(printf '%s' "$MEMBERS_NETWORK" | sed 's/[.]/[.]/g')[0-9]*\)/.*|\1|p" | head -n 1
}

state_of() {
    sed -n "s/^$1: *//p" "$data/grastate.dat" | tr -d ' '
}

# none: there never was anything. lost: there was, and is nothing any more. joining: what another one gave was not brought to its end. spoiled: its own
# server took it for wrong. own: of a database that had no members. void: of one that went on without this one. Everything else is a history and a number
# in it: of two with the same history, the higher number has all of the lower one.
position() {
    if [ -e "$common/void-$MEMBER" ]; then
        echo void
    elif [ -e "$volume/joining" ]; then
        echo joining
    elif [ ! -d "$data" ]; then
        if [ -e "$common/was-$MEMBER" ]; then echo lost; else echo none; fi
    elif [ ! -e "$data/grastate.dat" ]; then
        echo own
    elif [ "$(state_of uuid)" = 00000000-0000-0000-0000-000000000000 ]; then
        echo spoiled
    elif [ "$(state_of seqno)" != -1 ]; then
        echo "$(state_of uuid):$(state_of seqno)"
    else
        # After a kill only the tables know.
        found=$(mariadbd --defaults-file=/etc/mysql/inception.cnf --wsrep-recover --wsrep-cluster-address=gcomm:// --skip-log-error 2>&1 | sed -n 's/.*WSREP: Recovered position: *//p' | tail -n 1)
        [ -n "$found" ] || { echo 'The tables do not say how far they are.' >&2; exit 1; }
        echo "$found"
    fi
}

# Who was there when this one was there last; a server that ended in order has none.
last_seen() {
    sed -n 's/^member: *\([0-9a-f-]*\).*/\1/p' "$data/gvwstate.dat" 2>/dev/null | sort | tr '\n' ',' || :
}

last_self() {
    sed -n 's/^my_uuid: *//p' "$data/gvwstate.dat" 2>/dev/null || :
}

# field NAME NUMBER: of what a member wrote last. 1 count 2 address 3 position 4 beginning 5 ended last 6 its own name then 7 who was there
field() {
    cut -d' ' -f"$2" "$common/$1" 2>/dev/null || :
}

say() {
    printf '%s %s %s %s %s %s %s\n' "$count" "$address" "$position" "$beginning" "$ended_last" "${self:--}" "${seen:--}" >"$common/.$MEMBER"
    mv "$common/.$MEMBER" "$common/$MEMBER"
}

# The one that a choice falls on: of the same history the highest number, and of two that are equal the first. Nothing where that cannot be known, and
# never one that has nothing where there was something.
most_advanced() {
    newest=$(for one in "$@"; do field "$one" 4; done | sort -n | tail -n 1)
    for one in "$@"; do
        # Who was not there at the last beginning knows an older history.
        [ "$(field "$one" 4)" != "$newest" ] || echo "$one $(field "$one" 3)"
    done | awk '
        $2 == "none" { if (empty == "") empty = $1; next }
        $2 == "joining" || $2 == "spoiled" || $2 == "lost" { was = 1; next }
        $2 == "own" { owns++; own = $1; next }
        $2 == "void" { void = 1; next }
        { split($2, at, ":"); if (history == "") history = at[1]; if (at[1] != history) differ = 1
          if (best == "" || at[2] + 0 > most) { best = $1; most = at[2] + 0 } }
        END {
            if (differ || owns > 1 || (owns && best != "")) exit
            if (best != "") print best
            else if (was) exit
            else if (owns) print own
            else if (!void) print empty
        }'
}

# Exactly one may begin after each beginning, whatever it and the others have seen: a link is made by one only.
claim() {
    begun=$(cat "$common/begun" 2>/dev/null || echo 0)
    ln -s "$MEMBER" "$common/after-$begun" 2>/dev/null || [ "$(readlink "$common/after-$begun")" = "$MEMBER" ] || return 1
    beginning=$((begun + 1))
    # Whoever is cut off between the two is still one that may begin.
    printf '%s\n' "$beginning" >"$volume/beginning" && sync "$volume/beginning" \
        && printf '%s\n' "$beginning" >"$common/.begun" && mv "$common/.begun" "$common/begun" \
        && rm -f "$common/after-$((begun - 1))" "$common/without"
}

# Each reason once, and none before the others had time to say something.
tell() {
    [ "$turns" -lt 5 ] || [ "$told" = "$1" ] || { echo "$1" >&2; told=$1; }
}

way() {
    address=$(own_address)
    [ -n "$address" ] || { echo "No address in the members' network $MEMBERS_NETWORK." >&2; exit 1; }
    position=$(position)
    beginning=$(cat "$volume/beginning" 2>/dev/null || echo 0)
    # What one that had nothing has seen says nothing of who has the data.
    ended_last=0 self='' seen=''
    case $position in
        *:*)
            [ "$(state_of safe_to_bootstrap)" != 1 ] || ended_last=1
            self=$(last_self) seen=$(last_seen) ;;
    esac
    count=0 told='' before='' turns=0
    while :; do
        count=$((count + 1))
        say
        # A trial restore has one member only.
        others=$(printf '%s\n' $MEMBERS | grep -vxF "$MEMBER" || :)
        there=
        for one in $others; do
            where=$(field "$one" 2)
            if [ -n "$where" ] && is_primary "$where"; then
                there="$there${there:+,}$where"
                history=$(status_of --protocol=tcp --host="$where" --port="$MARIADB_PORT" --execute="SHOW GLOBAL STATUS LIKE 'wsrep_cluster_state_uuid'" | cut -f2)
            fi
        done
        # All of this one's data would be replaced. One history is never begun anew, so that must not be.
        if [ -n "$there" ] && [ "${position%:*}" != "$position" ] && [ "${position%:*}" != "$history" ]; then
            turns=$((turns + 1))
            tell "The others have another history, $history, than this one, ${position%:*}: one of them has to be taken away first."
            sleep 2
            continue
        fi
        if [ -n "$there" ]; then
            cat "$common/begun" >"$volume/beginning" 2>/dev/null || :
            echo "join $position $there"
            return
        fi

        # Whoever has counted on since the last look waits as this one does.
        now='' waiting=$MEMBER missing=
        for one in $others; do
            number=$(field "$one" 1)
            now="$now $one=$number"
            case "$before " in
                *" $one=$number "*) missing="$missing $one" ;;
                *" $one="*) [ -n "$number" ] && waiting="$waiting $one" || missing="$missing $one" ;;
                *) missing="$missing $one" ;;
            esac
        done
        before=$now
        # Of one that was there before and has nothing now, nobody knows what it had.
        for one in $waiting; do
            [ "$(field "$one" 3)" != lost ] || missing="$missing $one"
        done
        # In the order of their numbers.
        waiting=$(printf '%s\n' $MEMBERS | grep -xF "$(printf '%s\n' $waiting)" | tr '\n' ' ')
        # Who will not come back, a person has said, for this once.
        without=$(sed -n "s/^$(cat "$common/begun" 2>/dev/null || echo 0) //p" "$common/without" 2>/dev/null || :)
        needed=
        for one in $missing; do
            case " $without " in *" $one "*) ;; *) needed="$needed $one" ;; esac
        done

        chosen=''
        why=''
        if [ -z "$needed" ]; then
            chosen=$(most_advanced $waiting)
            why='everybody that there is waits'
            [ -n "$chosen" ] || tell "What the members have does not go together: $(for one in $waiting; do printf '%s ' "$one has $(field "$one" 3);"; done) nobody begins."
        elif [ "$beginning" -ge "$(cat "$common/begun" 2>/dev/null || echo 0)" ]; then
            if [ "$ended_last" = 1 ]; then
                # It had given each of the others all that was written before they ended.
                chosen=$MEMBER
                why='it ended last'
            elif [ -n "$seen" ]; then
                # Those that were there last, and saw one another.
                party=$(for one in $waiting; do [ "$(field "$one" 7)" != "$seen" ] || echo "$one"; done)
                if [ "$(for one in $party; do field "$one" 6; done | sort | tr '\n' ',')" = "$seen" ]; then
                    chosen=$(most_advanced $party) why='all that were there last wait'
                fi
            fi
            [ -n "$chosen" ] || tell "Nobody has the database, and who has the newest is not known without$needed."
        else
            tell "The database has begun anew without this one; waiting for$needed."
        fi
        turns=$((turns + 1))
        # A moment more, so that one that comes late is asked too.
        if [ "$chosen" = "$MEMBER" ] && [ "$turns" -gt 3 ]; then
            if claim; then
                echo "This member begins: $why, and it has $position." >&2
                echo "begin $position"
                return
            fi
            tell 'Another one has begun.'
        fi
        sleep 2
    done
}

# For the member whose folder the single database has again. Whoever is cut off here has made nothing of the others, and still has what they have.
void() {
    for one in $(printf '%s\n' $MEMBERS | grep -vxF "$MEMBER"); do
        : >"$common/void-$one"
        sync "$common/void-$one"
    done
    rm -f "$data/grastate.dat" "$data/gvwstate.dat"
}

# Synced, or giving another one all that there is. One that has left the others for good, such as after a transfer that failed, stays so: the
# others are reached, have the database, and this one is no part of it.
is_well() {
    state=$(status_of --socket=/run/mysqld/mysqld.sock \
        --execute="SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_cluster_status', 'wsrep_local_state', 'wsrep_ready')" | sort | cut -f2 | tr '\n' ' ')
    case $state in
        'Primary 2 ON ' | 'Primary 4 ON ')
            rm -f "$volume/joining" "$apart"
            # From now on an empty folder is one that has lost something.
            [ -e "$noted" ] || touch "$common/was-$MEMBER" "$noted"
            return ;;
        'Primary '* | '')
            rm -f "$apart" ;;
        *)
            [ -e "$apart" ] || touch "$apart"
            [ -z "$(find "$apart" -mmin +0.5)" ] || ! others_are_primary || kill -TERM 1 ;;
    esac
    return 1
}

others_are_primary() {
    for one in $(printf '%s\n' $MEMBERS | grep -vxF "$MEMBER"); do
        where=$(field "$one" 2)
        [ -z "$where" ] || ! is_primary "$where" || return 0
    done
    return 1
}

"$@"
{% endif %}
