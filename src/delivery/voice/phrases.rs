//! What is said around the digits, in every language that is spoken here. Words only.

use crate::delivery::Language;

pub(super) struct Phrases {
    /// For the vendors (BCP 47).
    pub tag: &'static str,
    /// Before and after the name.
    pub hello: (&'static str, &'static str),
    pub press: &'static str,
    pub silence: &'static str,
    pub code: &'static str,
    pub again: &'static str,
    pub unasked: &'static str,
    pub careful: &'static str,
    pub goodbye: &'static str,
}

pub(super) const fn phrases(language: Language) -> Phrases {
    match language {
        Language::En => Phrases {
            tag: "en-GB",
            hello: ("Hello. This is ", "."),
            press: "To hear your code, press any key.",
            silence: "No key was pressed.",
            code: "Your code is:",
            again: "Once more:",
            unasked: "If you did not ask for this call, hang up.",
            careful: "Do not tell this code to anybody.",
            goodbye: "Goodbye.",
        },
        Language::De => Phrases {
            tag: "de-DE",
            hello: ("Guten Tag. Hier ist ", "."),
            press: "Um Ihren Code zu hören, drücken Sie eine beliebige Taste.",
            silence: "Es wurde keine Taste gedrückt.",
            code: "Ihr Code lautet:",
            again: "Noch einmal:",
            unasked: "Wenn Sie diesen Anruf nicht angefordert haben, legen Sie auf.",
            careful: "Sagen Sie den Code niemandem.",
            goodbye: "Auf Wiederhören.",
        },
        Language::Fr => Phrases {
            tag: "fr-FR",
            hello: ("Bonjour. Ici ", "."),
            press: "Pour entendre votre code, appuyez sur une touche.",
            silence: "Aucune touche n'a été pressée.",
            code: "Votre code est :",
            again: "Une deuxième fois :",
            unasked: "Si vous n'avez pas demandé cet appel, raccrochez.",
            careful: "Ne donnez ce code à personne.",
            goodbye: "Au revoir.",
        },
        Language::Es => Phrases {
            tag: "es-ES",
            hello: ("Hola. Le llama ", "."),
            press: "Para escuchar su código, pulse cualquier tecla.",
            silence: "No se ha pulsado ninguna tecla.",
            code: "Su código es:",
            again: "Otra vez:",
            unasked: "Si no ha pedido esta llamada, cuelgue.",
            careful: "No diga este código a nadie.",
            goodbye: "Adiós.",
        },
        Language::It => Phrases {
            tag: "it-IT",
            hello: ("Buongiorno. Qui ", "."),
            press: "Per ascoltare il suo codice, prema un tasto qualsiasi.",
            silence: "Non è stato premuto alcun tasto.",
            code: "Il suo codice è:",
            again: "Ancora una volta:",
            unasked: "Se non ha richiesto questa chiamata, riagganci.",
            careful: "Non dica questo codice a nessuno.",
            goodbye: "Arrivederci.",
        },
        Language::Nl => Phrases {
            tag: "nl-NL",
            hello: ("Goedendag. U spreekt met ", "."),
            press: "Druk op een toets om uw code te horen.",
            silence: "Er is geen toets ingedrukt.",
            code: "Uw code is:",
            again: "Nog een keer:",
            unasked: "Hebt u niet om dit gesprek gevraagd, hang dan op.",
            careful: "Vertel deze code aan niemand.",
            goodbye: "Tot ziens.",
        },
    }
}
