# The sale, before joining
status-scheduled = Nog niet begonnen
status-open = Open
status-paused = Gepauzeerd
status-sold-out = Uitverkocht
status-closed = Gesloten
starts-on = Begint op { $at }.
join-before-start = Je kunt nu al je plaats innemen. De rij komt in beweging bij de start.
start-not-set = De verkoop is nog niet begonnen. De starttijd staat nog niet vast.
join-before-open = Je kunt nu al je plaats innemen. De rij komt in beweging zodra de verkoop opengaat.
no-units = Op dit moment zijn er geen exemplaren te koop.
sale-open = De verkoop is open. Sluit aan en we tonen je plaats live.
sale-paused = De verkoop is gepauzeerd. Op dit moment wordt niemand toegelaten.
join-while-paused = Je kunt toch aansluiten. Je plaats blijft bewaard en de rij gaat verder zodra de verkoop doorgaat.
sale-sold-out = Alle exemplaren zijn verkocht. Aansluiten kan niet meer.
sale-closed = Deze verkoop is afgelopen. Aansluiten kan niet meer.
join = Aansluiten in de rij
join-help = Iedereen is aan de beurt op volgorde van aansluiten. Je mag deze pagina sluiten en in deze browser terugkomen: je plaats blijft bewaard.
all-held = Alle exemplaren worden nu afgerekend.
return-from = Vanaf { $at } komen er misschien enkele terug.
return-some = Misschien komen er nog enkele terug.
available = Beschikbaar
held = Bij de kassa
sold = Verkocht

# In line
from-seller = Bericht van de winkel:
paused = De verkoop is gepauzeerd.
paused-help = Op dit moment wordt niemand toegelaten. Je plaats blijft bewaard.
in-line = Je staat in de rij
place-taken = Je plaats is ingenomen. Tot de start hoef je niets te doen: daarna zie je hier waar je staat.
waiting = Wachtenden in de rij
your-place = Je plaats in de rij
in-front = Voor je
behind = Achter je
wait = Geschatte wachttijd
chance = Je kans
chance-certain = zeker
chance-very-likely = zeer waarschijnlijk
chance-likely = waarschijnlijk
chance-even = ongeveer de helft
chance-unlikely = onwaarschijnlijk
chance-very-unlikely = zeer onwaarschijnlijk
chance-none = geen realistische kans
chance-over = meer dan { $p }
chance-under = minder dan { $p }
under-a-minute = minder dan een minuut
minutes =
    { $n ->
        [one] { $range } minuut
       *[other] { $range } minuten
    }
hours =
    { $n ->
        [one] { $range } uur
       *[other] { $range } uur
    }
days =
    { $n ->
        [one] { $n } dag
       *[other] { $n } dagen
    }
range = { $low }–{ $high }
percent = { $n }%
day-time = { $date } om { $time }
live = Live
news-old =
    { $n ->
        [one] Laatste nieuws { $n } seconde geleden. Je plaats blijft bewaard terwijl we opnieuw verbinden.
       *[other] Laatste nieuws { $n } seconden geleden. Je plaats blijft bewaard terwijl we opnieuw verbinden.
    }
alert-me = Waarschuw me als ik aan de beurt ben
late-paused = Het wachten duurt langer: de verkoop was een tijd gepauzeerd.
late-all-held = Het wachten duurt langer: alle exemplaren werden afgerekend en kwamen laat terug.
late-checkout-full = Het wachten duurt langer: de kassa is vol, en de volgenden worden toegelaten als anderen klaar zijn.
late-pace = Het wachten duurt langer: de winkel heeft veranderd hoe snel mensen worden toegelaten.
late-outage = Het wachten duurt langer: de rij is hersteld na een storing, met iedereen op zijn plaats.
late-slower = Het wachten duurt langer: de mensen voor je doen er langer over dan eerst.
hopeless = Waarschijnlijk kopen er voor je meer mensen dan er exemplaren over zijn. Je kunt blijven: wat niet wordt gekocht, gaat naar de volgende in de rij. Of ga nu weg en bespaar jezelf het wachten.
numbers = Waar deze cijfers vandaan komen
numbers-help = De wachttijd: hoe snel mensen in de laatste minuten van deze verkoop werden toegelaten. De kans: hoe waarschijnlijk het is dat er voor je minder mensen kopen dan er exemplaren over zijn, op basis van hoeveel mensen aan de kassa van deze verkoop tot nu toe kochten.
leave = De rij verlaten
leave-help = Je plaats is dan definitief weg. Opnieuw aansluiten doe je achteraan.
leave-yes = Ja, mijn plaats opgeven

# Going on on another device
move = Verdergaan op een ander apparaat
move-help = Je krijgt een link en een QR-code. Je plaats blijft dezelfde; dit apparaat heeft hem dan niet meer.
move-make = Link maken
move-link = Richt de camera van het andere apparaat hierop. De link werkt één keer, tot { $at }; wie hem opent, krijgt je plaats.
qr = QR-code van de link hieronder
moved = Deze plaats is naar een ander apparaat verplaatst
moved-help = Je ziet hem nu daar, en dit apparaat kan hem niet meer gebruiken. Druk daar op ‘Verdergaan op een ander apparaat’ om hem terug te halen.
take = Verdergaan op dit apparaat?
take-help = Je plaats in de rij komt hierheen. Het andere apparaat heeft hem dan niet meer.
take-yes = Ja, hier verdergaan
take-warning = Heeft iemand anders je deze link gestuurd? Dan krijg je diens plaats. Je kunt deze pagina sluiten; dan verandert er niets.

# The turn, and how a ticket ends
turn = Je bent aan de beurt
turn-title = Jouw beurt
held-until = Een exemplaar is tot { $at } voor je gereserveerd.
go-checkout = Naar de kassa
no-checkout-address = Je exemplaar blijft tot { $at } voor je gereserveerd. De winkel heeft ons het adres van de kassa niet doorgegeven. Open de pagina van de winkel in een ander tabblad en houd dit open.
if-late = Koop je niet op tijd, dan is het exemplaar niet meer voor je gereserveerd.
yours = Het is van jou
order-confirmed = Je bestelling is bevestigd. Exemplaar { $unit } is aan jou verkocht.
order = Bestelling
open-receipt = Bon openen
expired = Je tijd om af te rekenen is voorbij
expired-help = Een exemplaar was tot { $at } voor je gereserveerd.
released = Je hebt je exemplaar teruggegeven
released-help = Het exemplaar is niet meer voor je gereserveerd.
sold-out = Uitverkocht
sold-out-help = Alle exemplaren zijn verkocht, dus de rij is afgelopen. Bedankt voor het wachten.
closed = De verkoop is afgelopen
closed-help = De winkel sloot deze verkoop voordat je aan de beurt was.
left = Je hebt de rij verlaten
left-help = Je plaats ging naar de mensen achter je.
removed = Je bent uit de rij gehaald
removed-help = De winkel heeft dit ticket verwijderd. Denk je dat dit een vergissing is? Vraag het de winkel.
join-again = Opnieuw aansluiten
join-again-help = Je krijgt een nieuw ticket, achteraan in de rij.

# Spoken by screen readers
say-scheduled = Je staat in de rij. De verkoop is nog niet begonnen.
say-waiting = Je staat op plaats { $position } in de rij.
say-admitted = Je bent aan de beurt. Je hebt { $left } om af te rekenen.
say-confirmed = Je bestelling is bevestigd.
say-minute = Je hebt nog één minuut.
say-over = Je tijd is om. Een paar seconden lang kan het nog lukken.

# The checkout and the receipt
checkout = Kassa
unit-held = Exemplaar { $unit } is voor je gereserveerd
buy-before = Koop vóór { $at }. Daarna is het exemplaar niet meer voor je gereserveerd.
over = Je tijd is om.
over-help = Een paar seconden lang kan het nog lukken: druk op ‘Nu kopen’ en we proberen het.
reference = Betalingskenmerk
optional = (optioneel)
reference-help = Staat op je bon, maximaal 200 tekens.
reference-bad = Gebruik maximaal 200 tekens.
buy = Nu kopen
not-wanted = Ik wil het niet
not-wanted-help = Het exemplaar is dan niet meer voor je gereserveerd. Dit kan niet ongedaan worden gemaakt.
give-back = Teruggeven
unknown-outcome = We weten nog niet of dat gelukt is. Druk nog eens op ‘Nu kopen’: je betaalt niet dubbel.
receipt = Bon
receipt-help = Je bestelling is bevestigd en veilig vastgelegd.
sale = Verkoop
unit = Exemplaar
confirmed-at = Bevestigd
keep = Bewaar deze pagina: print haar, sla haar op of noteer de bestelling. Het is je bewijs bij de winkel.

# The foot of a page
in-utc = Tijden zijn in UTC.
refreshes = Deze pagina ververst zichzelf elke 10 seconden.
left-as-opened = De resterende tijd is die van het moment waarop de pagina werd geopend.
language = Taal
change = Wijzigen

# Ways to say no
nothing-here = Hier is niets
nothing-here-help = Controleer het adres, of begin opnieuw op de pagina van de winkel waar je vandaan kwam.
too-many = Te veel verzoeken
too-many-help = Er kwamen meer verzoeken van je verbinding dan we tegelijk aannemen.
line-full = De rij is vol
line-full-help = Kom wat later terug.
away = Kom zo terug
away-help = Een deel van deze site antwoordt nu niet. Sta je in de rij, dan blijft je plaats bewaard.
not-known = De uitkomst is onbekend
not-known-help = Het is misschien gelukt, misschien niet. Kijk in de wachtruimte en probeer het dan opnieuw.
our-fault = Hier ging iets mis
our-fault-help = De fout ligt bij ons en is vastgelegd.
link-ended = Deze link werkt niet meer
link-ended-help = Hij is al gebruikt of is te oud. Maak een nieuwe op het apparaat dat de plaats heeft.
already-in-line = Deze browser heeft al een plaats
already-in-line-help = Een browser heeft één plaats per verkoop. Verlaat hier eerst de rij en open dan de link opnieuw.
changed = Dit kan niet meer
changed-help = Er is intussen iets veranderd. De wachtruimte toont hoe het er nu voor staat.
cookies-off = Deze browser bewaart geen cookies van deze site
cookies-off-help = Deze site herkent je plaats aan een cookie. Er is niets veranderd: sta cookies voor deze site toe en open deze pagina opnieuw.
other-site = Dit verzoek kwam niet van deze site
other-site-help = Open de verkoop opnieuw vanaf de pagina van de winkel. Gaat het weer mis, dan is de winkel verkeerd ingesteld: laat het de winkel weten.
not-taken = Dit verzoek kon niet worden aangenomen
not-taken-help = Ga terug naar de wachtruimte en probeer het van daaruit opnieuw.
retry-seconds =
    { $n ->
        [one] Probeer het over { $n } seconde opnieuw.
       *[other] Probeer het over { $n } seconden opnieuw.
    }
retry-minutes =
    { $n ->
        [one] Probeer het over { $n } minuut opnieuw.
       *[other] Probeer het over { $n } minuten opnieuw.
    }
back = Terug naar de wachtruimte
