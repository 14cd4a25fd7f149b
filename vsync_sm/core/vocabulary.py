"""The words of which vsync's own sentences are made: faults, hints, checks, reasons.

Where such a word stands alone in a sentence it cannot be told from a secret that is called so. Put
a pseudonym there, and the sentence, which anyone can complete, gives away whose it is.
"""

OWN = frozenset(
    """
    a abort aborted about accept accepts accessor account acl active added addr address after again
    against age agent ago agree alive all allow allowance allowed allowing allows alone already also
    although an and anew another answer answered answering answers any append apprise approle are
    around array as ascii aside ask asked asking asks at auth authentication authority auto average
    away back backslash balancer batch be because been before began begin beginning begins begun
    behind being belong below beside between beyond binds both break broke bucket buckets budget but
    by byte bytes came can cannot capabilities capability carried carry cas catch ceiling
    certificate change changed changes character characters check check-and-set checked checking
    checkpoint checks choose chooses chosen ciphertext cleanly client clock close closed cluster
    code colon column come comes command commands committed compared compares complete completed
    config configuration configured confirmed connect connection connections console consul
    contacted contradicts control copy costs could couldn counted crash crashed ctl cubbyhole
    current cut cycle cycles daemon damage damaged data date day dead deadline debug decoded deeply
    default delete deleted deletes denied destination destinations destroyed detailed details device
    did different digest digests digits directory disabled disk do does doesn done down dropped
    drops due duration during each earlier else empty enable end ended ends entered env environment
    error errors escape estimate even ever every everyone exist exists exit exited expected expired
    expression factor fail failed failure false far fatal fault faults fewer file files filters
    finds finished firewall first fits five flag fold folder folders follows for forbidden forbids
    force forgets forward found fraction free fresh freshness from frozen full gave gets gib give
    given gives go goes going gone good grant granted grows had half halt halted halting halts
    handler hands happen happened has have having header headers healed health held helps here hides
    higher history hold holds home host hour how http http2 https human i id if ignored in indent
    index indexed infinity info informed informing init initialised initialized inside insight
    insights install installed instead into invalid is issuer it item items its itself joined
    journal json judged just jwt keep keeper keeps kept key keys kib kill killed know known knows
    kubernetes kv kv-v2 lacks lag lagging lags large largest last lasts late lead leader leads leapt
    lease least leave leaves left len length less let letters level lies like limit line lines list
    listed listen listened listens listing lists lives ll load locked log logged logging login
    logins logrotate logs lone long longer longest look looked looking looks lookup-self loop loses
    lost m machine made mailto makes many mapping marks max may md mean meant meanwhile measured
    memory mend mended metadata metrics mib middle milliseconds missing mistake mixed modifyindex
    moment moments mono more most mostly mount mounts move ms much must name names namespace nan
    near needs neighbours neither nested network never new newer newline next no nobody node none
    nor not nothing notify now ns num number object occurred odd of off offset old older on once one
    ones only open openbao opened opens operation operations operator or order origin other others
    out outlives outside over overloaded own packed packets page parent part parts passed passes
    password path paths patterns paused peer pem percent percentage performance periodic permission
    pipe place please pod point policy port postponed power prefix primary prints problem process
    program protocol proxy put queries query quota quotation quote quoted quotes raft raise raised
    rate re reach reached reaches read readable reading reads reason received recovered recovery
    recv refusal refused refuses region regular remove renew renew-self renewable renewed renewing
    renews repeats repetitions replaced replay replies reply report req request requests required
    reset resolution resolve rest restore restored result resume resumed rfc right rights role root
    rotates row rule rules run running runs s safety said same save saved saves saving saw says
    sealed second secondary seconds secret secrets see seen segment sent seq server servers serves
    service services session set settled several short shorter should shows signal signed since
    single size skipped slash slashes slow snapshot so socket some somebody something soon space
    spaces speak speaks spent ssl stale standby standbys stands start start-up started starts status
    stayed still stood stop stopped stops story stretch such sums supervisor surrogate swallows sync
    syncinfo syncpath syncs system t tab tag tail take taken takes tell tells terms test text than
    that the their them themselves then there these they thing this though threads through tick
    ticker ticks time timed timeout times tls to together token tokenfile tokens told too took top
    torn touched transaction tried tries trouble true try ts ttl turned twice two txn type uid
    ulimit unable unasked unchanged unchecked under understands unit units unknown unlocked unread
    unseal unsupported until unused up update updated upgraded url urls us use used user uses usual
    utc utf-8 v1 v2 value values vanish vanished variables vault ve verified version versions very
    view vsync wait waited waits wall want wants warn was way ways well went were what whatever when
    where whether which whichever while who whoever whole whose why will with within without word
    words work worker workers working works would write writes writing written wrong wrote
    x-vault-index yes yet you
    """.split()  # noqa: SIM905  as text it can be read
)
"""In lower case. A new one is added where a message or a hint has it and no name should be it."""
