# The sale, before joining
status-scheduled = Non ancora iniziata
status-open = Aperta
status-paused = In pausa
status-sold-out = Tutto esaurito
status-closed = Chiusa
starts-on = Inizio: { $at }.
join-before-start = Puoi già prendere il tuo posto. La fila si muove all’inizio della vendita.
start-not-set = La vendita non è iniziata. L’orario di inizio non è ancora stabilito.
join-before-open = Puoi già prendere il tuo posto. La fila si muove quando apre la vendita.
no-units = Al momento non ci sono pezzi in vendita.
sale-open = La vendita è aperta. Mettiti in fila e segui il tuo posto in diretta.
sale-paused = La vendita è in pausa. Al momento non passa nessuno.
join-while-paused = Puoi comunque metterti in fila. Il tuo posto resta tuo e si riparte quando la vendita riprende.
sale-sold-out = Tutti i pezzi sono stati venduti. Non ci si può più mettere in fila.
sale-closed = Questa vendita è finita. Non ci si può più mettere in fila.
join = Mettiti in fila
join-help = Si passa in ordine di arrivo. Puoi chiudere questa pagina e tornare con questo browser: il tuo posto resta tuo.
all-held = Tutti i pezzi sono in fase di acquisto.
return-from = Alcuni potrebbero tornare dalle { $at }.
return-some = Alcuni potrebbero tornare.
available = Disponibili
held = In acquisto
sold = Venduti

# In line
from-seller = Dal negozio:
paused = La vendita è in pausa.
paused-help = Al momento non passa nessuno. Il tuo posto resta tuo.
in-line = Sei in fila
place-taken = Il tuo posto è preso. Non c’è nulla da fare fino all’inizio: poi questa pagina mostra a che punto sei.
waiting = Persone in fila
your-place = Il tuo posto in fila
in-front = Davanti a te
behind = Dietro di te
wait = Attesa stimata
chance = Le tue probabilità
chance-certain = certo
chance-very-likely = molto probabile
chance-likely = probabile
chance-even = circa una su due
chance-unlikely = poco probabile
chance-very-unlikely = molto poco probabile
chance-none = nessuna possibilità realistica
chance-over = oltre { $p }
chance-under = meno di { $p }
under-a-minute = meno di un minuto
minutes =
    { $n ->
        [one] { $range } minuto
        [many] { $range } di minuti
       *[other] { $range } minuti
    }
hours =
    { $n ->
        [one] { $range } ora
        [many] { $range } di ore
       *[other] { $range } ore
    }
days =
    { $n ->
        [one] { $n } giorno
        [many] { $n } di giorni
       *[other] { $n } giorni
    }
range = { $low }–{ $high }
percent = { $n }%
day-time = { $date } alle { $time }
live = In diretta
news-old =
    { $n ->
        [one] Ultime notizie { $n } secondo fa. Il tuo posto resta tuo mentre ci ricolleghiamo.
        [many] Ultime notizie { $n } di secondi fa. Il tuo posto resta tuo mentre ci ricolleghiamo.
       *[other] Ultime notizie { $n } secondi fa. Il tuo posto resta tuo mentre ci ricolleghiamo.
    }
alert-me = Avvisami quando è il mio turno
late-paused = L’attesa si è allungata: la vendita è stata in pausa per un po’.
late-all-held = L’attesa si è allungata: tutti i pezzi erano in fase di acquisto e sono tornati tardi.
late-checkout-full = L’attesa si è allungata: la cassa è piena e si passa man mano che altri finiscono.
late-pace = L’attesa si è allungata: il negozio ha cambiato il ritmo degli ingressi.
late-outage = L’attesa si è allungata: la fila è stata ripristinata dopo un guasto, ognuno al suo posto.
late-slower = L’attesa si è allungata: chi è davanti a te impiega più tempo di prima.
hopeless = È probabile che davanti a te acquistino più persone di quanti pezzi restano. Puoi restare: ciò che non viene acquistato va alla persona successiva. Oppure lascia la fila ora e risparmiati l’attesa.
numbers = Da dove vengono questi numeri
numbers-help = L’attesa: il ritmo degli ingressi negli ultimi minuti di questa vendita. Le probabilità: quanto è probabile che davanti a te acquistino meno persone di quanti pezzi restano, in base a quanti passaggi in cassa di questa vendita sono finora finiti con un acquisto.
leave = Lascia la fila
leave-help = Il tuo posto è poi perso per sempre. Per tornare si riparte dal fondo della fila.
leave-yes = Sì, rinuncio al mio posto

# Going on on another device
move = Continua su un altro dispositivo
move-help = Ricevi un link e il suo codice QR. Il tuo posto resta lo stesso; questo dispositivo poi non lo ha più.
move-make = Crea un link
move-link = Inquadra qui con la fotocamera dell’altro dispositivo. Il link funziona una volta, fino alle { $at }; chi lo apre riceve il tuo posto.
qr = Codice QR del link qui sotto
moved = Questo posto è passato a un altro dispositivo
moved-help = Ora è mostrato lì e questo dispositivo non può più usarlo. Per riportarlo qui, premi lì “Continua su un altro dispositivo”.
take = Continuare su questo dispositivo?
take-help = Il tuo posto in fila viene qui. L’altro dispositivo poi non lo ha più.
take-yes = Sì, continua qui
take-warning = Qualcun altro ti ha mandato questo link? Ti dà il suo posto. Puoi chiudere questa pagina; così non cambia nulla.

# The turn, and how a ticket ends
turn = È il tuo turno
turn-title = Tocca a te
held-until = Un pezzo è riservato a te fino alle { $at }.
go-checkout = Vai alla cassa
no-checkout-address = Il tuo pezzo è riservato a te fino alle { $at }. Il negozio non ci ha comunicato l’indirizzo della sua cassa. Apri la pagina del negozio in un’altra scheda e tieni aperta questa.
if-late = Se non acquisti in tempo, il pezzo non è più riservato a te.
yours = È tuo
order-confirmed = Il tuo ordine è confermato. Il pezzo { $unit } è tuo.
order = Ordine
open-receipt = Apri la ricevuta
expired = Il tuo tempo per acquistare è finito
expired-help = Un pezzo è stato riservato a te fino alle { $at }.
released = Hai restituito il tuo pezzo
released-help = Il pezzo non è più riservato a te.
sold-out = Tutto esaurito
sold-out-help = Tutti i pezzi sono stati venduti e la fila è finita. Grazie per aver aspettato.
closed = La vendita è finita
closed-help = Il negozio ha chiuso questa vendita prima del tuo turno.
left = Hai lasciato la fila
left-help = Il tuo posto è passato a chi era dietro di te.
removed = Sei fuori dalla fila
removed-help = Il negozio ha rimosso questo biglietto. Se pensi che sia un errore, chiedi al negozio.
join-again = Rimettiti in fila
join-again-help = Ricevi un nuovo biglietto, in fondo alla fila.

# Spoken by screen readers
say-scheduled = Sei in fila. La vendita non è iniziata.
say-waiting = Sei al posto { $position } della fila.
say-admitted = È il tuo turno. Hai { $left } per acquistare.
say-confirmed = Il tuo ordine è confermato.
say-minute = Ti resta un minuto.
say-over = Il tuo tempo è finito. Può ancora funzionare per qualche secondo.

# The checkout and the receipt
checkout = Cassa
unit-held = Il pezzo { $unit } è riservato a te
buy-before = Acquista prima delle { $at }. Poi il pezzo non è più riservato a te.
over = Il tuo tempo è finito.
over-help = Per qualche secondo può ancora funzionare: premi «Acquista ora» e ci proviamo.
reference = Riferimento del pagamento
optional = (facoltativo)
reference-help = Appare sulla ricevuta, fino a 200 caratteri.
reference-bad = Usa al massimo 200 caratteri.
buy = Acquista ora
not-wanted = Non lo voglio
not-wanted-help = Il pezzo non sarà più riservato a te. Non si può annullare.
give-back = Restituiscilo
unknown-outcome = Non sappiamo ancora se è andato a buon fine. Premi di nuovo «Acquista ora»: non pagherai due volte.
receipt = Ricevuta
receipt-help = Il tuo ordine è confermato e registrato.
sale = Vendita
unit = Pezzo
confirmed-at = Confermato
keep = Conserva questa pagina: stampala, salvala o annota l’ordine. È la tua prova con il negozio.

# The foot of a page
in-utc = Gli orari sono in UTC.
refreshes = Questa pagina si aggiorna ogni 10 secondi.
left-as-opened = Il tempo rimasto è quello di quando la pagina è stata aperta.
language = Lingua
change = Cambia

# Ways to say no
nothing-here = Qui non c’è nulla
nothing-here-help = Controlla l’indirizzo o riparti dalla pagina del negozio da cui sei arrivato.
too-many = Troppe richieste
too-many-help = Dalla tua connessione sono arrivate più richieste di quante ne accettiamo in una volta.
line-full = La fila è al completo
line-full-help = Torna un po’ più tardi, per favore.
away = Torna tra un momento
away-help = Una parte di questo sito non risponde. Se sei in fila, il tuo posto resta tuo.
not-known = L’esito non è noto
not-known-help = Può essere riuscito o no. Guarda la sala d’attesa, poi riprova.
our-fault = Qualcosa è andato storto
our-fault-help = L’errore è nostro ed è stato registrato.
link-ended = Questo link non vale più
link-ended-help = È già stato usato o è troppo vecchio. Creane uno nuovo sul dispositivo che ha il posto.
already-in-line = Questo browser ha già un posto
already-in-line-help = Un browser ha un solo posto per vendita. Lascia prima la fila qui, poi apri di nuovo il link.
changed = Non è più possibile
changed-help = Nel frattempo qualcosa è cambiato. La sala d’attesa mostra la situazione attuale.
cookies-off = Questo browser non conserva i cookie di questo sito
cookies-off-help = Questo sito riconosce il tuo posto da un cookie. Non è cambiato nulla: consenti i cookie di questo sito, poi riapri questa pagina.
other-site = Questa richiesta non veniva da questo sito
other-site-help = Riapri la vendita dalla pagina del negozio. Se non funziona ancora, il negozio è configurato male: avvisalo, per favore.
not-taken = Questa richiesta non è stata accettata
not-taken-help = Torna alla sala d’attesa e riprova da lì.
retry-seconds =
    { $n ->
        [one] Riprova tra { $n } secondo.
        [many] Riprova tra { $n } di secondi.
       *[other] Riprova tra { $n } secondi.
    }
retry-minutes =
    { $n ->
        [one] Riprova tra { $n } minuto.
        [many] Riprova tra { $n } di minuti.
       *[other] Riprova tra { $n } minuti.
    }
back = Torna alla sala d’attesa
