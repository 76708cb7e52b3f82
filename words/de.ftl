# The sale, before joining
status-scheduled = Noch nicht gestartet
status-open = Geöffnet
status-paused = Angehalten
status-sold-out = Ausverkauft
status-closed = Beendet
starts-on = Start: { $at }.
join-before-start = Sie können sich schon jetzt anstellen. Die Warteschlange setzt sich zum Start in Bewegung.
start-not-set = Der Verkauf hat noch nicht begonnen. Die Startzeit steht noch nicht fest.
join-before-open = Sie können sich schon jetzt anstellen. Die Warteschlange setzt sich in Bewegung, sobald der Verkauf öffnet.
no-units = Im Moment sind keine Stücke im Angebot.
sale-open = Der Verkauf ist geöffnet. Stellen Sie sich an, und wir zeigen Ihren Platz live.
sale-paused = Der Verkauf ist angehalten. Im Moment wird niemand eingelassen.
join-while-paused = Sie können sich trotzdem anstellen. Ihr Platz bleibt erhalten, und es geht weiter, sobald der Verkauf fortgesetzt wird.
sale-sold-out = Alle Stücke sind verkauft. Man kann sich nicht mehr anstellen.
sale-closed = Dieser Verkauf ist beendet. Man kann sich nicht mehr anstellen.
join = Jetzt anstellen
join-help = Alle kommen in der Reihenfolge an die Reihe, in der sie sich angestellt haben. Sie dürfen diese Seite schließen und in diesem Browser wiederkommen: Ihr Platz bleibt erhalten.
all-held = Alle Stücke sind gerade an der Kasse.
return-from = Ab { $at } können einige zurückkommen.
return-some = Einige können noch zurückkommen.
available = Verfügbar
held = An der Kasse
sold = Verkauft

# In line
from-seller = Nachricht vom Shop:
paused = Der Verkauf ist angehalten.
paused-help = Im Moment wird niemand eingelassen. Ihr Platz bleibt erhalten.
in-line = Sie stehen in der Warteschlange
place-taken = Ihr Platz ist sicher. Bis zum Start müssen Sie nichts tun; danach sehen Sie hier, wo Sie stehen.
waiting = Wartende
your-place = Ihr Platz in der Warteschlange
in-front = Vor Ihnen
behind = Hinter Ihnen
wait = Geschätzte Wartezeit
chance = Ihre Chance
chance-certain = sicher
chance-very-likely = sehr wahrscheinlich
chance-likely = wahrscheinlich
chance-even = etwa gleich
chance-unlikely = unwahrscheinlich
chance-very-unlikely = sehr unwahrscheinlich
chance-none = keine realistische Chance
chance-over = über { $p }
chance-under = unter { $p }
under-a-minute = weniger als eine Minute
minutes =
    { $n ->
        [one] { $range } Minute
       *[other] { $range } Minuten
    }
hours =
    { $n ->
        [one] { $range } Stunde
       *[other] { $range } Stunden
    }
days =
    { $n ->
        [one] { $n } Tag
       *[other] { $n } Tage
    }
range = { $low }–{ $high }
percent = { $n } %
day-time = { $date } um { $time }
live = Live
news-old =
    { $n ->
        [one] Letzte Nachricht vor { $n } Sekunde. Ihr Platz bleibt erhalten, während wir die Verbindung erneuern.
       *[other] Letzte Nachricht vor { $n } Sekunden. Ihr Platz bleibt erhalten, während wir die Verbindung erneuern.
    }
alert-me = Benachrichtigen, wenn ich an der Reihe bin
late-paused = Die Wartezeit hat sich verlängert: Der Verkauf war eine Zeit lang angehalten.
late-all-held = Die Wartezeit hat sich verlängert: Alle Stücke waren an der Kasse und kamen spät zurück.
late-checkout-full = Die Wartezeit hat sich verlängert: Die Kasse ist voll. Die Nächsten werden eingelassen, sobald andere fertig sind.
late-pace = Die Wartezeit hat sich verlängert: Der Shop hat geändert, wie schnell eingelassen wird.
late-outage = Die Wartezeit hat sich verlängert: Die Warteschlange wurde nach einer Störung wiederhergestellt, alle auf ihrem Platz.
late-slower = Die Wartezeit hat sich verlängert: Die Personen vor Ihnen brauchen länger als zuvor.
hopeless = Vor Ihnen werden wahrscheinlich mehr Personen kaufen, als noch Stücke da sind. Sie können bleiben: Was nicht gekauft wird, geht an die nächste Person in der Warteschlange. Oder Sie gehen jetzt und ersparen sich das Warten.
numbers = Woher diese Zahlen kommen
numbers-help = Die Wartezeit: wie schnell in den letzten Minuten dieses Verkaufs eingelassen wurde. Die Chance: wie wahrscheinlich es ist, dass vor Ihnen weniger Personen kaufen, als noch Stücke da sind, berechnet daraus, wie viele an der Kasse dieses Verkaufs bisher gekauft haben.
leave = Warteschlange verlassen
leave-help = Ihr Platz ist dann endgültig weg. Wer sich neu anstellt, steht wieder am Ende.
leave-yes = Ja, meinen Platz aufgeben

# Going on on another device
move = Auf einem anderen Gerät weitermachen
move-help = Sie bekommen einen Link und einen QR-Code dafür. Ihr Platz bleibt derselbe; dieses Gerät hat ihn dann nicht mehr.
move-make = Link erstellen
move-link = Richten Sie die Kamera des anderen Geräts hierher. Der Link gilt einmal, bis { $at }; wer ihn öffnet, bekommt Ihren Platz.
qr = QR-Code des Links darunter
moved = Dieser Platz ist jetzt auf einem anderen Gerät
moved-help = Er wird jetzt dort angezeigt, und dieses Gerät kann ihn nicht mehr nutzen. Um ihn zurückzuholen, drücken Sie dort „Auf einem anderen Gerät weitermachen“.
take = Auf diesem Gerät weitermachen?
take-help = Ihr Platz in der Warteschlange kommt hierher. Das andere Gerät hat ihn dann nicht mehr.
take-yes = Ja, hier weitermachen
take-warning = Hat Ihnen jemand anderes diesen Link geschickt? Dann bekommen Sie dessen Platz. Sie können diese Seite schließen; dann ändert sich nichts.

# The turn, and how a ticket ends
turn = Sie sind an der Reihe
turn-title = Sie sind dran
held-until = Ein Stück ist bis { $at } für Sie reserviert.
go-checkout = Zur Kasse
no-checkout-address = Ihr Stück bleibt bis { $at } für Sie reserviert. Der Shop hat uns die Adresse seiner Kasse nicht mitgeteilt. Öffnen Sie die Seite des Shops in einem anderen Tab und lassen Sie diesen offen.
if-late = Wenn Sie nicht rechtzeitig kaufen, ist das Stück nicht mehr für Sie reserviert.
yours = Es gehört Ihnen
order-confirmed = Ihre Bestellung ist bestätigt. Stück { $unit } ist an Sie verkauft.
order = Bestellung
open-receipt = Beleg öffnen
expired = Ihre Zeit an der Kasse ist abgelaufen
expired-help = Ein Stück war bis { $at } für Sie reserviert.
released = Sie haben Ihr Stück zurückgegeben
released-help = Das Stück ist nicht mehr für Sie reserviert.
sold-out = Ausverkauft
sold-out-help = Alle Stücke sind verkauft, die Warteschlange ist aufgelöst. Danke, dass Sie gewartet haben.
closed = Der Verkauf ist beendet
closed-help = Der Shop hat den Verkauf beendet, bevor Sie an der Reihe waren.
left = Sie haben die Warteschlange verlassen
left-help = Ihr Platz ging an die Personen hinter Ihnen.
removed = Sie wurden aus der Warteschlange genommen
removed-help = Der Shop hat diesen Platz gestrichen. Wenn Sie das für einen Irrtum halten, fragen Sie bitte im Shop nach.
join-again = Neu anstellen
join-again-help = Sie bekommen einen neuen Platz am Ende der Warteschlange.

# Spoken by screen readers
say-scheduled = Sie stehen in der Warteschlange. Der Verkauf hat noch nicht begonnen.
say-waiting = Sie stehen auf Platz { $position }.
say-admitted = Sie sind an der Reihe. Sie haben { $left } Zeit zum Bezahlen.
say-confirmed = Ihre Bestellung ist bestätigt.
say-minute = Sie haben noch eine Minute.
say-over = Ihre Zeit ist um. Ein paar Sekunden lang kann es noch klappen.

# The checkout and the receipt
checkout = Kasse
unit-held = Stück { $unit } ist für Sie reserviert
buy-before = Kaufen Sie vor { $at }. Danach ist das Stück nicht mehr für Sie reserviert.
over = Ihre Zeit ist um.
over-help = Ein paar Sekunden lang kann es noch klappen: Drücken Sie „Jetzt kaufen“, und wir versuchen es.
reference = Zahlungsreferenz
optional = (freiwillig)
reference-help = Steht auf Ihrem Beleg, bis zu 200 Zeichen.
reference-bad = Bitte höchstens 200 Zeichen.
buy = Jetzt kaufen
not-wanted = Ich möchte es nicht
not-wanted-help = Das Stück ist dann nicht mehr für Sie reserviert. Das lässt sich nicht rückgängig machen.
give-back = Zurückgeben
unknown-outcome = Wir wissen noch nicht, ob das geklappt hat. Drücken Sie noch einmal „Jetzt kaufen“: Es wird nicht doppelt berechnet.
receipt = Beleg
receipt-help = Ihre Bestellung ist bestätigt und sicher gespeichert.
sale = Verkauf
unit = Stück
confirmed-at = Bestätigt
keep = Bewahren Sie diese Seite auf: drucken Sie sie aus, speichern Sie sie oder notieren Sie die Bestellung. Sie ist Ihr Nachweis gegenüber dem Shop.

# The foot of a page
in-utc = Zeiten sind in UTC.
refreshes = Diese Seite lädt sich alle 10 Sekunden neu.
left-as-opened = Die verbleibende Zeit gilt für den Moment, in dem die Seite geöffnet wurde.
language = Sprache
change = Ändern

# Ways to say no
nothing-here = Hier gibt es nichts
nothing-here-help = Bitte prüfen Sie die Adresse oder beginnen Sie noch einmal auf der Seite des Shops, von der Sie kommen.
too-many = Zu viele Anfragen
too-many-help = Von Ihrem Anschluss kamen mehr Anfragen, als wir auf einmal annehmen.
line-full = Die Warteschlange ist so lang, wie sie sein darf
line-full-help = Bitte kommen Sie etwas später wieder.
away = Kommen Sie gleich wieder
away-help = Ein Teil dieser Seite antwortet gerade nicht. Wenn Sie in der Warteschlange stehen, bleibt Ihr Platz erhalten.
not-known = Das Ergebnis ist unbekannt
not-known-help = Es hat vielleicht geklappt, vielleicht nicht. Bitte sehen Sie im Warteraum nach und versuchen Sie es dann noch einmal.
our-fault = Hier ist etwas schiefgegangen
our-fault-help = Der Fehler liegt bei uns und wurde aufgezeichnet.
link-ended = Dieser Link gilt nicht mehr
link-ended-help = Er wurde schon benutzt oder ist zu alt. Erstellen Sie einen neuen auf dem Gerät, das den Platz hat.
already-in-line = Dieser Browser hat schon einen Platz
already-in-line-help = Ein Browser hat in einem Verkauf einen Platz. Verlassen Sie hier zuerst die Warteschlange und öffnen Sie dann den Link noch einmal.
changed = Das geht nicht mehr
changed-help = Inzwischen hat sich etwas geändert. Der Warteraum zeigt, wie es jetzt steht.
cookies-off = Dieser Browser behält keine Cookies dieser Website
cookies-off-help = An einem Cookie erkennt diese Website Ihren Platz wieder. Es wurde nichts geändert: Erlauben Sie Cookies für diese Website und öffnen Sie diese Seite dann neu.
other-site = Diese Anfrage kam nicht von dieser Website
other-site-help = Bitte öffnen Sie den Verkauf noch einmal von der Seite des Shops aus. Wenn es wieder misslingt, ist der Shop falsch eingerichtet: Bitte sagen Sie ihm Bescheid.
not-taken = Diese Anfrage konnte nicht angenommen werden
not-taken-help = Bitte gehen Sie zurück in den Warteraum und versuchen Sie es von dort noch einmal.
retry-seconds =
    { $n ->
        [one] Bitte versuchen Sie es in { $n } Sekunde noch einmal.
       *[other] Bitte versuchen Sie es in { $n } Sekunden noch einmal.
    }
retry-minutes =
    { $n ->
        [one] Bitte versuchen Sie es in { $n } Minute noch einmal.
       *[other] Bitte versuchen Sie es in { $n } Minuten noch einmal.
    }
back = Zurück zum Warteraum
